//! Detection of files that are changed or replaced while in use.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use crate::core::{Bytes, Error, Kind, Result};

/// Identity of a file at one moment: length, modification time and inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    length: Bytes,
    modified: Option<SystemTime>,
    /// Inode number, where the system has one.
    inode: Option<u64>,
}

impl FileIdentity {
    /// The current identity of the file at `path`.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let about = std::fs::metadata(path)?;
        Ok(Self { length: Bytes(about.len()), modified: about.modified().ok(), inode: inode(&about) })
    }

    /// Length and modification time, which a copy or a moved file may share.
    pub(super) fn state(&self) -> String {
        format!("{} {:?}", self.length.0, self.modified)
    }

    /// Fails with [`Kind::CorruptModel`] if the file at `path` was changed, replaced or removed since.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let how = match Self::of(path) {
            Ok(now) if now == *self => return Ok(()),
            Ok(now) if now.length != self.length => {
                format!("its size changed from {} to {} bytes", self.length.0, now.length.0)
            }
            Ok(now) if now.inode != self.inode => "it was replaced by another file".to_owned(),
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
#[expect(clippy::unnecessary_wraps, reason = "other systems have no inodes")]
fn inode(about: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(about))
}

#[cfg(not(unix))]
fn inode(_about: &Metadata) -> Option<u64> {
    None
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
}
