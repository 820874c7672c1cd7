//! Blind comparisons: pairs without names, and the ranking that follows from them.

use std::path::{Path, PathBuf};

use crate::compare::{RankedItem, Vote, Votes, next_pair, ranking};
use crate::core::{Result, Seed, Utc};

/// What a person preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Preference {
    /// The video on the left.
    Left,
    /// The video on the right.
    Right,
    /// Neither.
    None,
}

/// A video that is ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct BlindItem {
    /// Id of its history entry.
    pub(in crate::app) id: String,
    /// The file.
    pub(in crate::app) path: PathBuf,
}

/// A series of blind comparisons.
pub(in crate::app) struct Blind {
    items: Vec<BlindItem>,
    votes: Votes,
    pair: Option<[String; 2]>,
    ranking: Vec<RankedItem>,
    /// Comparisons made since the series began.
    num_made: u32,
}

impl Blind {
    /// A series over `items`, with the comparisons of earlier series in the data folder.
    pub(super) fn start(data_dir: &Path, items: Vec<BlindItem>) -> Result<Self> {
        let votes = Votes::load(data_dir)?;
        let mut blind = Self { items, votes, pair: None, ranking: Vec::new(), num_made: 0 };
        blind.go_on();
        Ok(blind)
    }

    /// The files of the current pair, left and right.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let of = |id: &String| self.items.iter().find(|item| item.id == *id).map(|item| item.path.clone());
        self.pair.iter().flatten().filter_map(of).collect()
    }

    /// Saves what is preferred and moves to the next pair.
    pub(super) fn vote(&mut self, preference: Preference) -> Result<()> {
        let Some([left, right]) = self.pair.clone() else { return Ok(()) };
        let (better, worse) = if preference == Preference::Right { (right, left) } else { (left, right) };
        let is_tie = preference == Preference::None;
        self.votes.add(Vote { better, worse, is_tie, when: Utc::now() })?;
        self.num_made += 1;
        self.go_on();
        Ok(())
    }

    fn go_on(&mut self) {
        let ids: Vec<_> = self.items.iter().map(|item| item.id.clone()).collect();
        self.pair = next_pair(&ids, self.votes.all(), Seed::random());
        self.ranking = ranking(&ids, self.votes.all());
    }

    /// Comparisons made since the series began.
    pub(in crate::app) fn num_made(&self) -> u32 {
        self.num_made
    }

    /// The ranking with the names of the files, best first.
    pub(in crate::app) fn ranking(&self) -> impl Iterator<Item = (String, &RankedItem)> {
        self.ranking.iter().map(|ranked| {
            let item = self.items.iter().find(|item| item.id == ranked.id);
            let name = item.and_then(|item| item.path.file_name()).unwrap_or_default();
            (name.to_string_lossy().into_owned(), ranked)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_video_is_first_and_the_next_series_knows_it() {
        let dir = tempfile::tempdir().unwrap();
        let items: Vec<_> = ["a", "b", "c"]
            .map(|id| BlindItem { id: id.to_owned(), path: format!("{id}.mp4").into() })
            .into();
        let mut blind = Blind::start(dir.path(), items.clone()).unwrap();
        for _ in 0..6 {
            let paths = blind.paths();
            assert_eq!(paths.len(), 2);
            // the name that comes first in the alphabet is always preferred
            let preferred = if paths[0] < paths[1] { Preference::Left } else { Preference::Right };
            blind.vote(preferred).unwrap();
        }
        assert_eq!(blind.num_made(), 6);
        let order = |blind: &Blind| blind.ranking().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(order(&blind), ["a.mp4", "b.mp4", "c.mp4"]);
        let again = Blind::start(dir.path(), items).unwrap();
        assert_eq!((order(&again), again.num_made()), (order(&blind), 0));
    }
}
