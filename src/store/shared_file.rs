//! A small RON file of the data folder that people may edit and several programs share.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lock::HeldLock;
use super::whole_file::write_whole;
use crate::core::{Error, Kind, Result, read_edited_text};

/// The file: where it is, and what it is called in errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    path: PathBuf,
    content: &'static str,
    version: u32,
}

/// The field that every version of such a file has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionField {
    version: u32,
}

impl SharedFile {
    /// The file `name`.ron of a data folder, written as `version`; `content` is its content in errors, for instance
    /// "ratings". Nothing is read yet.
    pub fn new(data_dir: &Path, name: &str, content: &'static str, version: u32) -> Self {
        Self { path: data_dir.join(name).with_extension("ron"), content, version }
    }

    /// What it holds; the default if there is no file. Fails for a file of a newer version.
    pub fn load<T: DeserializeOwned + Default>(&self) -> Result<T> {
        let content = self.content;
        let failed =
            || Error::new(Kind::Io, format!("The {content} cannot be read: {}", self.path.display()));
        let text = match read_edited_text(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => {
                return Err(failed().because(error).remedy("Check that the data folder can be read"));
            }
        };
        let incorrect = |error| {
            let remedy = format!("Correct the file, or delete it to start without {content}");
            failed().because(error).remedy(remedy)
        };
        let VersionField { version } = ron::from_str(&text).map_err(incorrect)?;
        if version > self.version {
            let why = format!("it has version {version}, this program knows up to {}", self.version);
            let remedy = "Use the newer program that wrote it";
            return Err(failed().because(std::io::Error::other(why)).remedy(remedy));
        }
        ron::from_str(&text).map_err(incorrect)
    }

    /// Changes what it holds and saves it; returns it. What another program saved in the meantime is kept.
    pub fn change<T: DeserializeOwned + Serialize + Default>(
        &self,
        change: impl FnOnce(&mut T),
    ) -> Result<T> {
        let _lock = HeldLock::wait(&self.path.with_extension("lock"))?;
        let mut current = self.load()?;
        change(&mut current);
        let text =
            ron::ser::to_string_pretty(&current, ron::ser::PrettyConfig::default()).map_err(|error| {
                Error::new(Kind::Bug, format!("The {} cannot be written as text", self.content))
                    .because(error)
            })?;
        write_whole(&self.path, text.as_bytes())?;
        Ok(current)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Words {
        version: u32,
        words: Vec<String>,
    }

    fn add(file: &SharedFile, word: &str) -> Result<Words> {
        file.change(|words: &mut Words| {
            words.version = 2;
            words.words.push(word.to_owned());
        })
    }

    #[test]
    fn changes_are_added_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = SharedFile::new(dir.path(), "words", "words", 2);
        assert_eq!(file.load::<Words>().unwrap(), Words::default(), "no file");
        fs::write(dir.path().join("words.ron"), "\u{feff}(words: [\"a\"])").unwrap();
        assert_eq!(add(&file, "b").unwrap().words, ["a", "b"]);
        assert_eq!(file.load::<Words>().unwrap().words, ["a", "b"]);
    }

    #[test]
    fn a_damaged_file_and_one_of_a_newer_version_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = SharedFile::new(dir.path(), "words", "words", 2);
        for (text, says) in [
            ("(words: [", "delete it to start without words"),
            ("(version: 3, words: [\"a\"], colours: {\"a\": Red(1)})", "version 3"),
        ] {
            fs::write(dir.path().join("words.ron"), text).unwrap();
            let error = add(&file, "b").unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
            assert_eq!(fs::read_to_string(dir.path().join("words.ron")).unwrap(), text);
        }
    }
}
