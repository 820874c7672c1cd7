//! A ranking from blind comparisons: the model of Bradley and Terry (1952), where an item of strength `p` is preferred to
//! one of strength `q` with the probability `p / (p + q)`.
//!
//! Strengths are the most likely ones, found with the update of Hunter (2004, "MM algorithms for generalized
//! Bradley-Terry models"). Each item has also won and lost half a comparison against one of average strength, so that
//! few comparisons give no infinite strength.

use std::collections::BTreeMap;

use super::votes::Vote;

/// Comparisons won and lost against an item of average strength that every item starts with.
const PRIOR: f64 = 0.5;
/// Points of a tenfold strength, as chess ratings have, and those of an average item.
const POINTS: f64 = 400.0;
const AVERAGE: f64 = 1000.0;
/// Largest number of updates, and the relative change at which they end.
const UPDATES: usize = 10_000;
const PRECISE: f64 = 1e-10;

/// An item with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedItem {
    /// The item's id.
    pub id: String,
    /// Comparisons that it won.
    pub wins: u32,
    /// Comparisons that it lost.
    pub losses: u32,
    /// Comparisons without a preference.
    pub ties: u32,
    /// Points: 1000 is average, 400 more is preferred ten times out of eleven.
    pub points: f64,
}

/// The items, best first. Votes about other items are left out; a tie counts as half a win for each.
pub fn ranking(items: &[String], votes: &[Vote]) -> Vec<RankedItem> {
    let index: BTreeMap<&str, usize> = items.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let known: Vec<(usize, usize, bool)> = votes
        .iter()
        .filter_map(|vote| {
            Some((*index.get(vote.better.as_str())?, *index.get(vote.worse.as_str())?, vote.is_tie))
        })
        .collect();
    let strengths = strengths(items.len(), &known);
    let mut ranked: Vec<_> = items
        .iter()
        .zip(strengths)
        .map(|(id, strength)| RankedItem {
            id: id.clone(),
            wins: 0,
            losses: 0,
            ties: 0,
            points: AVERAGE + POINTS * strength.log10(),
        })
        .collect();
    for &(better, worse, is_tie) in &known {
        if is_tie {
            ranked[better].ties += 1;
            ranked[worse].ties += 1;
        } else {
            ranked[better].wins += 1;
            ranked[worse].losses += 1;
        }
    }
    ranked.sort_by(|a, b| b.points.total_cmp(&a.points));
    ranked
}

/// The most likely strength of each item; those of average strength have 1.
fn strengths(count: usize, votes: &[(usize, usize, bool)]) -> Vec<f64> {
    let mut won = vec![PRIOR; count];
    let mut played = BTreeMap::<(usize, usize), f64>::new();
    for &(better, worse, is_tie) in votes {
        won[better] += if is_tie { 0.5 } else { 1.0 };
        won[worse] += if is_tie { 0.5 } else { 0.0 };
        *played.entry((better.min(worse), better.max(worse))).or_default() += 1.0;
    }
    let mut strengths = vec![1.0_f64; count];
    for _ in 0..UPDATES {
        let mut expected: Vec<f64> = strengths.iter().map(|own| 2.0 * PRIOR / (own + 1.0)).collect();
        for (&(one, other), games) in &played {
            let share = games / (strengths[one] + strengths[other]);
            expected[one] += share;
            expected[other] += share;
        }
        let next: Vec<f64> = won.iter().zip(&expected).map(|(won, expected)| won / expected).collect();
        let change = next.iter().zip(&strengths).map(|(new, old)| (new / old - 1.0).abs());
        let largest = change.fold(0.0, f64::max);
        strengths = next;
        if largest < PRECISE {
            break;
        }
    }
    strengths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(better: &str, worse: &str) -> Vote {
        Vote { better: better.to_owned(), worse: worse.to_owned(), is_tie: false, when: Default::default() }
    }

    #[test]
    fn strengths_expect_as_many_wins_as_there_were() {
        let votes = [(0, 1, false), (0, 1, false), (1, 0, false), (1, 2, false), (0, 2, true), (2, 3, false)];
        let strengths = strengths(4, &votes);
        for item in 0..4 {
            let won: f64 = votes
                .iter()
                .map(|&(better, worse, tie)| match (tie, better == item, worse == item) {
                    (false, true, _) => 1.0,
                    (true, true, _) | (true, _, true) => 0.5,
                    _ => 0.0,
                })
                .sum();
            let mut expected = strengths[item] / (strengths[item] + 1.0);
            for &(one, other, _) in &votes {
                if one == item || other == item {
                    expected += strengths[item] / (strengths[one] + strengths[other]);
                }
            }
            assert!((won + PRIOR - expected).abs() < 1e-6, "{item}: {won} and {expected}");
        }
    }

    #[test]
    fn the_preferred_item_is_first_and_unknown_ones_are_left_out() {
        let items = ["a", "b", "c"].map(str::to_owned);
        let votes = [vote("b", "a"), vote("b", "c"), vote("c", "a"), vote("b", "other")];
        let ranked = ranking(&items, &votes);
        let order: Vec<_> = ranked.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(order, ["b", "c", "a"]);
        assert_eq!((ranked[0].wins, ranked[0].losses, ranked[2].losses), (2, 0, 2));
        assert!(ranked[0].points > 1000.0 && ranked[2].points < 1000.0);
        let none = super::ranking(&items, &[]);
        assert!(none.iter().all(|item| (item.points - 1000.0).abs() < 1e-9));
    }
}
