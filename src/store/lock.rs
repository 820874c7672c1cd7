//! Locks between programs that share a data folder. A lock is a file that the system unlocks when the holding process
//! exits or crashes; the file contains the holder's name, so that a waiting program can report it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::whole_file::create_private_folder;
use crate::core::{Error, Kind, Result, is_at};

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

    /// Creates the lock's file and holds it for as long as the result lives; `holder` is written into it. Meant for a
    /// name that only this program uses: others may probe it with [`lock_is_free`] and remove it when it is free.
    pub fn create(path: &Path, holder: &str) -> Result<Self> {
        loop {
            let mut held = Self::wait(path)?;
            // another program may have removed the file as a dead program's before it was locked
            if is_at(&held.file, path) {
                held.file.write_all(holder.as_bytes()).map_err(|error| failed(path, error))?;
                return Ok(held);
            }
        }
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
                let who = who.lines().next().unwrap_or_default().trim();
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

/// Whether nobody holds the lock at `path`; also if there is no such file. The file is left unchanged.
pub fn lock_is_free(path: &Path) -> bool {
    // shared, so that two programs that probe at once do not take each other for the holder
    File::open(path).map_or(true, |file| file.try_lock_shared().is_ok())
}

/// Removes the file of a lock that nobody holds. Returns whether it did.
pub fn remove_free_lock(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // held while it is removed, so that nobody takes it in between
    file.try_lock().is_ok() && is_at(&file, path) && fs::remove_file(path).is_ok()
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        create_private_folder(folder).map_err(|error| failed(path, error))?;
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
    fn a_lock_that_was_removed_before_it_was_held_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/program");
        let held = HeldLock::create(&path, "a program").unwrap();
        assert!(!lock_is_free(&path) && !remove_free_lock(&path) && path.exists());
        drop(held);
        assert!(lock_is_free(&path) && remove_free_lock(&path) && !path.exists());
        assert!(lock_is_free(&path));
        for _ in 0..200 {
            let stop = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        remove_free_lock(&path);
                    }
                });
                let held = HeldLock::create(&path, "a program").unwrap();
                assert!(!lock_is_free(&path), "another program would take it for dead");
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                drop(held);
            });
        }
    }

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
