//! One conversion at a time into a folder, over all programs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::shard::failed;
use crate::core::{Error, Kind, Result};

/// Held while a folder is made: a locked file beside it, which the system unlocks however the program ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    path: PathBuf,
    file: File,
}

impl FolderLock {
    /// Takes the lock for the folder `dir`, or says who holds it.
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

    /// Gives the lock up and leaves no file behind: for a folder that is done.
    pub(super) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("{} stays behind: {error}", self.path.display());
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // closing is not enough while a program that is being started has a copy of the handle
        if let Err(error) = self.file.unlock() {
            tracing::warn!("{} stays locked until the program ends: {error}", self.path.display());
        }
    }
}

fn taken(dir: &Path, path: &Path) -> Error {
    let holder = fs::read_to_string(path).unwrap_or_default();
    let holder = if holder.is_empty() { "another process" } else { holder.trim() };
    Error::new(Kind::Input, format!("{} is being made by {holder} just now", dir.display()))
        .remedy("Wait until it is done, or give another folder with -o")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_conversion_is_told_who_makes_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new/model-int8");
        let first = FolderLock::take(&folder).unwrap();
        let error = FolderLock::take(&folder).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        let holder = format!("is being made by process {} just now", std::process::id());
        assert!(error.message.contains(&holder), "{error:#}");
        drop(first);
        FolderLock::take(&folder).unwrap().remove();
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 0);
    }
}
