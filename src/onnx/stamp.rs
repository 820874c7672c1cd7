//! What tells a file from the one that takes its place.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use crate::core::{Bytes, Error, Kind, Result};

/// A file as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: Bytes,
    modified: Option<SystemTime>,
    /// Number of the file on its disk; 0 where the system has none.
    inode: u64,
}

impl Stamp {
    /// The file at `path` as it is now.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let about = std::fs::metadata(path)?;
        Ok(Self { length: Bytes(about.len()), modified: about.modified().ok(), inode: inode(&about) })
    }

    /// Fails if the file at `path` is another one by now.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let how = match Self::of(path) {
            Ok(now) if now == *self => return Ok(()),
            Ok(now) if now.length != self.length => {
                format!("had {} and has {} bytes now", self.length.0, now.length.0)
            }
            Ok(now) if now.inode != self.inode => "is another file now".to_owned(),
            Ok(_) => "was written to".to_owned(),
            Err(error) => format!("cannot be found any more ({error})"),
        };
        Err(Error::new(
            Kind::CorruptModel,
            format!("The model changed while it was in use: {} {how}", path.display()),
        )
        .remedy("Wait until whatever writes to the model's folder is done, then start the job again"))
    }
}

#[cfg(unix)]
fn inode(about: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(not(unix))]
fn inode(_about: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_used_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        fs::write(&path, "weights").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert!(stamp.check(&path).is_ok());
        let words = || {
            let error = stamp.check(&path).unwrap_err();
            assert_eq!(error.kind, Kind::CorruptModel);
            format!("{error:#}")
        };
        let later = SystemTime::now() + Duration::from_secs(10);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(words().contains("was written to"), "{}", words());
        fs::write(&path, "more weights").unwrap();
        assert!(words().contains("had 7 and has 12 bytes now"), "{}", words());
        let other = dir.path().join("other");
        fs::write(&other, "WEIGHTS").unwrap();
        fs::rename(&other, &path).unwrap();
        #[cfg(unix)]
        assert!(words().contains("is another file now"), "{}", words());
        fs::remove_file(&path).unwrap();
        assert!(words().contains("cannot be found any more"), "{}", words());
    }
}
