//! Ratings in stars, in a separate file because the history can be deleted and rebuilt.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::item::MAX_RATING;
use crate::core::{Error, Kind, Result, read_edited_text};
use crate::store::{HeldLock, write_whole};

const NAME: &str = "ratings.ron";
const LOCK: &str = "ratings.lock";

/// Ratings by history entry id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ratings {
    data_dir: PathBuf,
    stars: BTreeMap<String, u8>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RatingsFile {
    version: u32,
    stars: BTreeMap<String, u8>,
}

impl Ratings {
    /// Reads the ratings of a data folder; a missing file means none were given.
    pub fn load(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(NAME);
        let stars = match read_edited_text(&path) {
            Ok(text) => {
                let file: RatingsFile = ron::from_str(&text).map_err(|error| {
                    Error::new(Kind::Io, format!("The ratings cannot be read: {}", path.display()))
                        .because(error)
                        .remedy("Correct the file, or delete it to start without ratings")
                })?;
                file.stars
            }
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(Error::new(Kind::Io, format!("The ratings cannot be read: {}", path.display()))
                    .because(error)
                    .remedy("Check that the data folder can be read"));
            }
        };
        Ok(Self { data_dir: data_dir.to_path_buf(), stars })
    }

    /// Stars of a history entry; 0 means not rated.
    pub fn of(&self, id: &str) -> u8 {
        self.stars.get(id).copied().unwrap_or_default()
    }

    /// Rates an entry with 1 to 5 stars, or removes its rating with 0, and saves it. Ratings that another program saved
    /// in the meantime are kept.
    pub fn rate(&mut self, id: &str, stars: u8) -> Result<()> {
        let _lock = HeldLock::wait(&self.data_dir.join(LOCK))?;
        let mut current = Self::load(&self.data_dir)?;
        if stars == 0 {
            current.stars.remove(id);
        } else {
            current.stars.insert(id.to_owned(), stars.min(MAX_RATING));
        }
        current.save()?;
        *self = current;
        Ok(())
    }

    fn save(&self) -> Result<()> {
        let path = self.data_dir.join(NAME);
        let file = RatingsFile { version: 1, stars: self.stars.clone() };
        let text = ron::ser::to_string_pretty(&file, ron::ser::PrettyConfig::default())
            .map_err(|error| Error::new(Kind::Bug, "The ratings cannot be written as text").because(error))?;
        write_whole(&path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_read_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "\u{feff}(stars: {\"/a.mp4\": 3})").unwrap();
        assert_eq!(Ratings::load(dir.path()).unwrap().stars.len(), 1);
    }

    #[test]
    fn ratings_of_two_programs_are_both_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (Ratings::load(dir.path()).unwrap(), Ratings::load(dir.path()).unwrap());
        one.rate("a", 4).unwrap();
        other.rate("b", 9).unwrap();
        assert_eq!((other.of("a"), other.of("b")), (4, 5));
        other.rate("a", 0).unwrap();
        assert_eq!(Ratings::load(dir.path()).unwrap().of("a"), 0);
    }

    #[test]
    fn an_unreadable_file_is_reported_and_left_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "(stars: {").unwrap();
        let mut ratings = Ratings { data_dir: dir.path().to_path_buf(), ..Ratings::default() };
        assert!(ratings.rate("a", 1).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), "(stars: {");
    }
}
