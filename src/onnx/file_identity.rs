//! Detection of files that are changed or replaced while in use.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::core::{Bytes, Error, Kind, Result};

/// Identity of a file at one moment.
#[derive(Clone, Debug)]
pub(super) struct FileIdentity {
    length: Bytes,
    modified: Option<SystemTime>,
    place: Place,
}

/// A line for each of `files` with its path and its identity now; to detect a file that was replaced.
pub(super) fn identities(files: impl IntoIterator<Item = PathBuf>) -> String {
    let files: BTreeSet<_> = files.into_iter().collect();
    let line = |path: &PathBuf| format!("{} {:?}\n", path.display(), FileIdentity::of(path).ok());
    files.iter().map(line).collect()
}

/// Which file of its disk a file is, and when its content or attributes were last changed. The disk itself has no lasting
/// number: some get another one each time they are mounted.
#[cfg(unix)]
#[derive(Clone, Debug)]
struct Place {
    inode: u64,
    /// Seconds and nanoseconds; no program can set it.
    changed: (i64, i64),
}

/// Which file a file is, where the system has no inodes.
#[cfg(not(unix))]
#[derive(Clone, Debug)]
struct Place {
    path: std::path::PathBuf,
    created: Option<SystemTime>,
}

impl FileIdentity {
    /// The current identity of the file at `path`.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let about = std::fs::metadata(path)?;
        let place = Place::of(path, &about);
        Ok(Self { length: Bytes(about.len()), modified: about.modified().ok(), place })
    }

    /// Text that no other file has, nor this one after a change, even of one with its length and modification time.
    pub(super) fn state(&self) -> String {
        format!("{} {:?} {}", self.length.0, self.modified, self.place.state())
    }

    fn is_unchanged(&self, now: &Self) -> bool {
        self.length == now.length && self.modified == now.modified && self.place.is_same(&now.place)
    }

    /// Fails with [`Kind::CorruptModel`] if the file at `path` was changed, replaced or removed since.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let how = match Self::of(path) {
            Ok(now) if self.is_unchanged(&now) => return Ok(()),
            Ok(now) if now.length != self.length => {
                format!("its size changed from {} to {} bytes", self.length.0, now.length.0)
            }
            Ok(now) if !self.place.is_same(&now.place) => "it was replaced by another file".to_owned(),
            Ok(_) => "it was modified".to_owned(),
            Err(error) => format!("it cannot be found any more ({error})"),
        };
        Err(Error::new(
            Kind::CorruptModel,
            format!("A model file changed while in use, {how}: {}", path.display()),
        )
        .remedy("Wait until no other program writes to the model's folder, then retry the job"))
    }
}

#[cfg(unix)]
impl Place {
    fn of(_path: &Path, about: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { inode: about.ino(), changed: (about.ctime(), about.ctime_nsec()) }
    }

    fn state(&self) -> String {
        let (seconds, nanoseconds) = self.changed;
        format!("{} {seconds}.{nanoseconds:09}", self.inode)
    }

    /// A second name or other rights do not make another file of it.
    fn is_same(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

#[cfg(not(unix))]
impl Place {
    fn of(path: &Path, about: &Metadata) -> Self {
        Self { path: path.to_path_buf(), created: about.created().ok() }
    }

    fn state(&self) -> String {
        format!("{} {:?}", self.path.display(), self.created)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_that_changes_while_in_use_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        fs::write(&path, "weights").unwrap();
        let identity = FileIdentity::of(&path).unwrap();
        assert!(identity.check(&path).is_ok());
        let words = || {
            let error = identity.check(&path).unwrap_err();
            assert_eq!(error.kind, Kind::CorruptModel);
            format!("{error:#}")
        };
        let later = SystemTime::now() + Duration::from_secs(10);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(words().contains("was modified"), "{}", words());
        fs::write(&path, "more weights").unwrap();
        assert!(words().contains("from 7 to 12 bytes"), "{}", words());
        let other = dir.path().join("other");
        fs::write(&other, "WEIGHTS").unwrap();
        fs::rename(&other, &path).unwrap();
        #[cfg(unix)]
        assert!(words().contains("replaced by another file"), "{}", words());
        fs::remove_file(&path).unwrap();
        assert!(words().contains("cannot be found any more"), "{}", words());
    }

    #[cfg(unix)]
    #[test]
    fn files_of_one_length_and_time_have_states_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = ["a", "b"].map(|name| dir.path().join(name));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let state = |path: &Path, content: &str| {
            fs::write(path, content).unwrap();
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
            FileIdentity::of(path).unwrap().state()
        };
        let first = state(&one, "weights");
        assert_ne!(state(&other, "WEIGHTS"), first);
        assert_eq!(FileIdentity::of(&one).unwrap().state(), first);
        // the clock of a file system may stand still for some milliseconds
        std::thread::park_timeout(Duration::from_millis(50));
        assert_ne!(state(&one, "WEIGHTS"), first);
    }
}
