//! What people preferred in blind comparisons, kept in the data folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::{Error, Kind, Result, Utc, read_edited_text};
use crate::store::{HeldLock, write_whole};

const NAME: &str = "votes.ron";
const LOCK: &str = "votes.lock";
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    data_dir: PathBuf,
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
        let path = data_dir.join(NAME);
        let failed =
            || Error::new(Kind::Io, format!("The blind comparisons cannot be read: {}", path.display()));
        let votes = match read_edited_text(&path) {
            Ok(text) => {
                let file: VotesFile = ron::from_str(&text).map_err(|error| {
                    failed().because(error).remedy("Correct the file, or delete it to start without them")
                })?;
                file.votes
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(failed().because(error).remedy("Check that the data folder can be read"));
            }
        };
        Ok(Self { data_dir: data_dir.to_path_buf(), votes })
    }

    /// All comparisons, oldest first.
    pub fn all(&self) -> &[Vote] {
        &self.votes
    }

    /// Adds a comparison and saves it. Those that another program saved in the meantime are kept.
    pub fn add(&mut self, vote: Vote) -> Result<()> {
        let _lock = HeldLock::wait(&self.data_dir.join(LOCK))?;
        let mut current = Self::load(&self.data_dir)?;
        current.votes.push(vote);
        let file = VotesFile { version: VERSION, votes: current.votes.clone() };
        let text = ron::ser::to_string_pretty(&file, ron::ser::PrettyConfig::default()).map_err(|error| {
            Error::new(Kind::Bug, "The blind comparisons cannot be written as text").because(error)
        })?;
        write_whole(&self.data_dir.join(NAME), text.as_bytes())?;
        *self = current;
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
        fs::write(dir.path().join(NAME), "(votes: [").unwrap();
        assert!(one.add(vote("c")).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), "(votes: [");
    }
}
