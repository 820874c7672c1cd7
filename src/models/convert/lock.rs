//! A lock that allows only one conversion at a time into a folder, over all programs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::shard::failed;
use crate::core::{Error, Kind, Result};

/// The lock of a folder that is being written: a locked file beside it, which the system unlocks when the program ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    path: PathBuf,
    file: File,
}

impl FolderLock {
    /// Takes the lock of the folder `dir`. Fails with [`Kind::Input`] if another program holds it.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = dir.with_file_name(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&path, error))?;
        }
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|error| failed(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(dir, &path)),
            Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
        }
        let holder = format!("process {}", std::process::id());
        let named = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
        named.map_err(|error| failed(&path, error))?;
        Ok(Self { path, file })
    }

    /// Releases the lock of a finished folder and deletes its file.
    pub(super) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("Cannot delete {}: {error}", self.path.display());
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // closing is not enough: a process that is just being started may have a copy of the handle
        if let Err(error) = self.file.unlock() {
            tracing::warn!("Cannot unlock {} before the program ends: {error}", self.path.display());
        }
    }
}

fn taken(dir: &Path, path: &Path) -> Error {
    let holder = fs::read_to_string(path).unwrap_or_default();
    let holder = if holder.is_empty() { "another process" } else { holder.trim() };
    Error::new(Kind::Input, format!("{holder} is already converting a model to {}", dir.display()))
        .remedy("Wait until it has finished, or give another folder with -o")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_conversion_fails_with_the_holder_of_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new/model-int8");
        let first = FolderLock::take(&folder).unwrap();
        let error = FolderLock::take(&folder).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        let holder = format!("process {} is already converting", std::process::id());
        assert!(error.message.contains(&holder), "{error:#}");
        drop(first);
        FolderLock::take(&folder).unwrap().remove();
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 0);
    }
}
