//! Ratings in stars, in a separate file because the history can be deleted and rebuilt.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::item::MAX_RATING;
use crate::core::Result;
use crate::store::SharedFile;

/// Version of the file format.
const VERSION: u32 = 1;

/// Ratings by history entry id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratings {
    file: SharedFile,
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
        let file = SharedFile::new(data_dir, "ratings", "ratings", VERSION);
        let RatingsFile { stars, .. } = file.load()?;
        Ok(Self { file, stars })
    }

    /// Stars of a history entry; 0 means not rated.
    pub fn of(&self, id: &str) -> u8 {
        self.stars.get(id).copied().unwrap_or_default()
    }

    /// Rates an entry with 1 to 5 stars, or removes its rating with 0, and saves it. Ratings that another program saved
    /// in the meantime are kept.
    pub fn rate(&mut self, id: &str, stars: u8) -> Result<()> {
        let current = self.file.change(|current: &mut RatingsFile| {
            current.version = VERSION;
            if stars == 0 {
                current.stars.remove(id);
            } else {
                current.stars.insert(id.to_owned(), stars.min(MAX_RATING));
            }
        })?;
        self.stars = current.stars;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_read_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ratings.ron"), "\u{feff}(stars: {\"/a.mp4\": 3})").unwrap();
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
        let mut ratings = Ratings::load(dir.path()).unwrap();
        fs::write(dir.path().join("ratings.ron"), "(stars: {").unwrap();
        assert!(Ratings::load(dir.path()).is_err());
        assert!(ratings.rate("a", 1).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("ratings.ron")).unwrap(), "(stars: {");
    }
}
