//! Which two items are compared next.

use std::collections::BTreeMap;

use super::votes::Vote;
use crate::core::Seed;

/// The two items that were compared with each other least, in random order; `None` for fewer than two items.
pub fn next_pair(items: &[String], votes: &[Vote], seed: Seed) -> Option<[String; 2]> {
    let mut counts = BTreeMap::<(&str, &str), u32>::new();
    for vote in votes {
        let (one, other) = (vote.better.as_str(), vote.worse.as_str());
        *counts.entry((one.min(other), one.max(other))).or_default() += 1;
    }
    let mut pairs = Vec::new();
    for (at, one) in items.iter().enumerate() {
        for other in &items[at + 1..] {
            let key = (one.as_str().min(other), one.as_str().max(other));
            pairs.push((counts.get(&key).copied().unwrap_or_default(), [one.clone(), other.clone()]));
        }
    }
    let least = pairs.iter().map(|(count, _)| *count).min()?;
    pairs.retain(|(count, _)| *count == least);
    let (_, mut pair) = pairs.swap_remove((seed.0 >> 1) as usize % pairs.len());
    if seed.0 & 1 == 1 {
        pair.swap(0, 1);
    }
    Some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_comes_before_one_comes_again_and_the_order_is_random() {
        let items = ["a", "b", "c", "d"].map(str::to_owned);
        let mut votes = Vec::new();
        let mut first_is_smaller = 0;
        for seed in 0..12 {
            let [one, other] = next_pair(&items, &votes, Seed(seed * 7919)).unwrap();
            assert_ne!(one, other);
            first_is_smaller += u32::from(one < other);
            votes.push(Vote { better: one, worse: other, is_tie: false, when: Default::default() });
            let counts = votes.iter().fold(BTreeMap::<_, u32>::new(), |mut counts, vote| {
                let pair = [&vote.better, &vote.worse];
                *counts.entry((pair[0].min(pair[1]), pair[0].max(pair[1]))).or_default() += 1;
                counts
            });
            assert!(counts.values().max().unwrap() - u32::from(counts.len() == 6) <= 1);
        }
        assert!((1..12).contains(&first_is_smaller));
        assert_eq!(next_pair(&items[..1], &votes, Seed(1)), None);
    }
}
