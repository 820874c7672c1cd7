//! Files that were read whole and found good, so that gigabytes are not read again for every job.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::whole_file::write_whole;
use crate::core::{Bytes, Result, read_bounded};

/// Largest list that is read.
const MAX_LIST: Bytes = Bytes(16 << 20);
/// Number of files that are remembered; the list is begun anew when it is full.
const MAX_FILES: usize = 10_000;

/// The hashes of files by their identity, in the data folder's cache.
#[derive(Debug)]
pub struct CheckedFiles {
    list: PathBuf,
}

/// A file when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CheckedFile {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    inode: Option<u64>,
    sha256: String,
}

impl CheckedFiles {
    /// The list of a data folder. Nothing is read yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { list: data_dir.join("cache").join("checked_files.json") }
    }

    /// The SHA-256 of `file`: as remembered if its path, size, modification time and inode are the same, else as `read`
    /// returns it after reading the file.
    pub fn sha256(&self, file: &Path, read: impl FnOnce() -> Result<String>) -> Result<String> {
        let real = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        let before = identity(&real);
        let mut all = self.all();
        let known = all.get(&real).filter(|known| before.as_ref() == Some(&known.identity()));
        if let Some(known) = known {
            return Ok(known.sha256.clone());
        }
        let sha256 = read()?;
        // a file that changed meanwhile is read again the next time
        if let Some((size, modified, inode)) =
            before.filter(|before| identity(&real).as_ref() == Some(before))
        {
            if all.len() >= MAX_FILES {
                all.clear();
            }
            all.insert(real, CheckedFile { size, modified, inode, sha256: sha256.clone() });
            self.write(&all);
        }
        Ok(sha256)
    }

    /// What is remembered; nothing if the list is missing or damaged.
    fn all(&self) -> BTreeMap<PathBuf, CheckedFile> {
        let bytes = read_bounded(&self.list, MAX_LIST).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn write(&self, all: &BTreeMap<PathBuf, CheckedFile>) {
        let folder = self.list.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| error.to_string());
        let text = folder.and_then(|()| serde_json::to_vec(all).map_err(|error| error.to_string()));
        let written =
            text.and_then(|text| write_whole(&self.list, &text).map_err(|error| format!("{error:#}")));
        if let Err(error) = written {
            tracing::warn!("Cannot remember that a file was checked: {error}: {}", self.list.display());
        }
    }
}

impl CheckedFile {
    fn identity(&self) -> (u64, u128, Option<u64>) {
        (self.size, self.modified, self.inode)
    }
}

/// Size, modification time and inode of a file; `None` if the system does not say when it was modified.
fn identity(path: &Path) -> Option<(u64, u128, Option<u64>)> {
    let about = fs::metadata(path).ok()?;
    let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    #[cfg(unix)]
    let inode = Some(std::os::unix::fs::MetadataExt::ino(&about));
    #[cfg(not(unix))]
    let inode = None;
    Some((about.len(), modified, inode))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_is_read_once_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.safetensors");
        fs::write(&file, "one").unwrap();
        let mut reads = 0;
        let mut ask = || {
            // another program's view of the same folder
            let checked = CheckedFiles::new(dir.path());
            let read = || {
                reads += 1;
                Ok(fs::read_to_string(&file).unwrap())
            };
            (checked.sha256(&file, read).unwrap(), reads)
        };
        assert_eq!(ask(), ("one".to_owned(), 1));
        assert_eq!(ask(), ("one".to_owned(), 1), "remembered");
        fs::write(&file, "two!").unwrap();
        assert_eq!(ask(), ("two!".to_owned(), 2), "another size");
        let later = SystemTime::now() + Duration::from_secs(9);
        fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert_eq!(ask(), ("two!".to_owned(), 3), "another time");
        let list = dir.path().join("cache/checked_files.json");
        fs::write(&list, "damaged").unwrap();
        assert_eq!(ask(), ("two!".to_owned(), 4), "the list can be lost");
        let checked = CheckedFiles::new(dir.path());
        fs::write(&file, "bad").unwrap();
        let failed = || Err(crate::core::Error::new(crate::core::Kind::Input, "NaN"));
        assert!(checked.sha256(&file, failed).is_err());
        assert_eq!(ask(), ("bad".to_owned(), 5), "what failed is not remembered");
    }
}
