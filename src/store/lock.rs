//! Locks between programs that share a data folder. A lock is a file that the system unlocks when the holding process
//! exits or crashes; the file contains the holder's name, so that a waiting program can report it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::core::{Error, Kind, Result};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct HeldLock {
    file: File,
}

impl HeldLock {
    /// Waits for the lock without a time limit; meant for locks that are held only briefly.
    pub fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().map_err(|error| failed(path, error))?;
        Ok(Self { file })
    }

    /// Takes the lock if it is free and writes `holder` into its file. The inner `Err` is the name of the current
    /// holder.
    pub fn attempt(path: &Path, holder: &str) -> Result<Result<Self, String>> {
        Self::attempt_with(path, holder, File::try_lock)
    }

    /// Takes a shared lock, which several holders can have at once, unless one holds it exclusively. The inner `Err` is
    /// the name of the current holder.
    pub fn attempt_shared(path: &Path, holder: &str) -> Result<Result<Self, String>> {
        Self::attempt_with(path, holder, File::try_lock_shared)
    }

    fn attempt_with(
        path: &Path,
        holder: &str,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Result<Self, String>> {
        let mut file = open(path)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = fs::read_to_string(path).unwrap_or_default();
                let who = who.trim();
                return Ok(Err(if who.is_empty() { "another program" } else { who }.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(path, error)),
        }
        let named =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
        named.map_err(|error| failed(path, error))?;
        Ok(Ok(Self { file }))
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!("Cannot release a lock, so it is held until the program ends: {error}");
        }
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(path, error))?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let path: PathBuf = path.into();
    Error::new(Kind::Io, format!("Cannot lock {}", path.display()))
        .because(error)
        .remedy("Check that the data folder can be written to, or choose another with --data-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_returns_the_first_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/device");
        let held = HeldLock::attempt(&path, "the window (process 7)").unwrap().unwrap();
        assert_eq!(HeldLock::attempt(&path, "me").unwrap().unwrap_err(), "the window (process 7)");
        drop(held);
        assert!(HeldLock::attempt(&path, "me").unwrap().is_ok());
    }
}
