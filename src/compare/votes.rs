//! What people preferred in blind comparisons, kept in the data folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::core::{Result, Utc};
use crate::store::SharedFile;

/// Version of the file format.
const VERSION: u32 = 1;

/// One blind comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// History id of the preferred video; without a preference, of either one.
    pub better: String,
    /// History id of the other video.
    pub worse: String,
    /// Whether there was no preference.
    #[serde(default)]
    pub is_tie: bool,
    /// When it was made.
    pub when: Utc,
}

/// All blind comparisons of a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Votes {
    file: SharedFile,
    votes: Vec<Vote>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct VotesFile {
    version: u32,
    votes: Vec<Vote>,
}

impl Votes {
    /// Reads the comparisons of a data folder; a missing file means none were made.
    pub fn load(data_dir: &Path) -> Result<Self> {
        let file = SharedFile::new(data_dir, "votes", "blind comparisons", VERSION);
        let VotesFile { votes, .. } = file.load()?;
        Ok(Self { file, votes })
    }

    /// All comparisons, oldest first.
    pub fn all(&self) -> &[Vote] {
        &self.votes
    }

    /// Adds a comparison and saves it. Those that another program saved in the meantime are kept.
    pub fn add(&mut self, vote: Vote) -> Result<()> {
        let current = self.file.change(|current: &mut VotesFile| {
            current.version = VERSION;
            current.votes.push(vote);
        })?;
        self.votes = current.votes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn comparisons_of_two_programs_are_both_kept() {
        let dir = tempfile::tempdir().unwrap();
        let vote = |better: &str| Vote {
            better: better.to_owned(),
            worse: "z".to_owned(),
            is_tie: better == "b",
            when: Utc(7),
        };
        let (mut one, mut other) = (Votes::load(dir.path()).unwrap(), Votes::load(dir.path()).unwrap());
        one.add(vote("a")).unwrap();
        other.add(vote("b")).unwrap();
        assert_eq!(Votes::load(dir.path()).unwrap().all(), [vote("a"), vote("b")]);
        fs::write(dir.path().join("votes.ron"), "(votes: [").unwrap();
        assert!(one.add(vote("c")).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("votes.ron")).unwrap(), "(votes: [");
    }
}
