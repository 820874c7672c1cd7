//! Fetching the pinned library: said first, done by one process at a time, whole or not at all.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::bounded;
use serde::Serialize;

use super::builds::{Build, VERSION};
use super::locate::{Located, Origin};
use super::pip::Python;
use super::unpack::{LIBRARY_PREFIX, cannot_write, is_unpacked, unpack};
use crate::core::{Bytes, CancelToken, Result};

/// Working folders begin with this; what a killed process left behind is known by it.
const WORK_PREFIX: &str = ".fetch-";
/// Held by the process that fetches. It stays: removing a lock file that others wait for breaks the lock.
const LOCK_FILE: &str = ".lock";
const ASK_LOCK_EVERY: Duration = Duration::from_millis(100);

/// What happens during a fetch, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fetch", rename_all = "snake_case")]
pub enum FetchEvent {
    /// Another process is fetching the same; its result will be used.
    Waiting {
        /// The folder both want it in.
        into: PathBuf,
    },
    /// Sent before anything is transferred.
    Starting {
        /// What is fetched.
        what: String,
        /// How much is transferred.
        size: Bytes,
        /// Where it comes from, in words.
        from: &'static str,
        /// The folder it is kept in.
        into: PathBuf,
    },
    /// Bytes are arriving.
    Downloading {
        /// So many are there.
        done: Bytes,
        /// Of so many.
        of: Bytes,
    },
    /// The transfer is over; checksums are compared and the library is put in place.
    Unpacking,
    /// It is there and checked.
    Done {
        /// The library.
        path: PathBuf,
    },
}

impl fmt::Display for FetchEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { into } => {
                write!(f, "Waiting for another process that fetches into {}", into.display())
            }
            Self::Starting { what, size, from, into } => {
                write!(f, "Fetching {what} ({size}) from {from} into {}", into.display())
            }
            Self::Downloading { done, of } => write!(f, "Fetched {done} of {of}"),
            Self::Unpacking => f.write_str("Checking and unpacking"),
            Self::Done { path } => write!(f, "ONNX Runtime is at {}", path.display()),
        }
    }
}

/// Fetches the library of `build` into the folder `into` and returns where it is.
///
/// `python` is the Python whose pip does it, else the first on the path. The library that is there already, whole,
/// is kept; one that is damaged is replaced. Several processes may do this at once: one fetches, the others wait.
/// Cancelling ends pip and leaves nothing behind.
pub fn fetch(
    build: &Build,
    into: &Path,
    python: Option<&OsStr>,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Located> {
    cancel.check()?;
    let write = |error: io::Error| cannot_write(into, error);
    fs::create_dir_all(into).map_err(write)?;
    // Absolute, because it is opened later and the working folder may change.
    let into = fs::canonicalize(into).map_err(write)?;
    let lock = lock(&into, cancel, progress)?;
    let located = Located { path: into.join(build.file_name), origin: Origin::DataDir };
    if is_unpacked(build, &into) {
        return Ok(located);
    }
    if lock.is_some() {
        remove_leftovers(&into);
    }
    progress(FetchEvent::Starting {
        what: format!("ONNX Runtime {VERSION}"),
        size: build.wheel_size,
        from: "the Python package index",
        into: into.clone(),
    });
    let work = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(&into).map_err(write)?;
    let python = Python::find(python)?;
    let mut told = Bytes(0);
    let wheel = python.download(build, work.path(), cancel, &mut |done| {
        if done > told {
            told = done;
            progress(FetchEvent::Downloading { done, of: build.wheel_size });
        }
    })?;
    progress(FetchEvent::Unpacking);
    unpack(build, &wheel, &into)?;
    // Dropping it would hide that it could not be removed.
    work.close().map_err(write)?;
    progress(FetchEvent::Done { path: located.path.clone() });
    Ok(located)
}

/// Held until dropped; `None` on file systems that know no locks, where the last of several fetches wins.
fn lock(into: &Path, cancel: &CancelToken, progress: &mut dyn FnMut(FetchEvent)) -> Result<Option<File>> {
    let file = File::create(into.join(LOCK_FILE)).map_err(|error| cannot_write(into, error))?;
    let (stop, stopped) = bounded::<()>(1);
    let _registered = cancel.on_cancel(move || {
        stop.try_send(()).ok();
    });
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "Fetching without a lock");
                return Ok(None);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            told = true;
            progress(FetchEvent::Waiting { into: into.to_path_buf() });
        }
        if stopped.recv_timeout(ASK_LOCK_EVERY).is_ok() {
            cancel.check()?;
        }
    }
}

/// Removes what a process that was killed left behind. Only under the lock: it may belong to one that still runs.
fn remove_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let removed = if name.starts_with(WORK_PREFIX) {
            fs::remove_dir_all(entry.path())
        } else if name.starts_with(LIBRARY_PREFIX) {
            fs::remove_file(entry.path())
        } else {
            Ok(())
        };
        if let Err(error) = removed {
            tracing::warn!(%error, path = %entry.path().display(), "Cannot remove a leftover");
        }
    }
}
