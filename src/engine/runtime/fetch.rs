//! Fetching of the pinned library: announced before it starts, by one process at a time, and atomic.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::bounded;
use serde::Serialize;

use super::builds::{Build, VERSION};
use super::locate::{FoundLibrary, Origin};
use super::pip::Python;
use super::unpack::{LIBRARY_PREFIX, cannot_write, is_unpacked, unpack};
use crate::core::{Bytes, CancelToken, Result};

/// Prefix of temporary folders, by which leftovers of a killed process are recognised.
pub(super) const WORK_PREFIX: &str = ".fetch-";
/// Lock file of the fetching process. Never removed: removing a lock file that others wait for would break the lock.
const LOCK_FILE: &str = ".lock";
const ASK_LOCK_EVERY: Duration = Duration::from_millis(100);

/// Events of a fetch, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fetch", rename_all = "snake_case")]
pub enum FetchEvent {
    /// Waiting for another process that fetches the same library.
    Waiting {
        /// The destination folder.
        into: PathBuf,
    },
    /// Sent before anything is transferred.
    Starting {
        /// Name and version.
        what: String,
        /// Size of the download.
        size: Bytes,
        /// Name of the source.
        from: &'static str,
        /// The destination folder.
        into: PathBuf,
    },
    /// Progress of the download.
    Downloading {
        /// Bytes received.
        done: Bytes,
        /// Total bytes, if they are known.
        of: Option<Bytes>,
    },
    /// The download is complete; checksums are verified and the library is unpacked.
    Unpacking,
    /// The library is in place and verified.
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
            Self::Downloading { done, of: Some(of) } => write!(f, "Fetched {done} of {of}"),
            Self::Downloading { done, of: None } => write!(f, "Fetched {done}"),
            Self::Unpacking => f.write_str("Checking and unpacking"),
            Self::Done { path } => write!(f, "ONNX Runtime is at {}", path.display()),
        }
    }
}

/// Fetches the library of `build` into the folder `into` and returns where it is.
///
/// Uses the pip of `python`, else of the first Python on the path. An intact library that is there already is kept, a
/// damaged one is replaced. If several processes call this, one fetches and the others wait. A cancellation stops pip
/// and removes all temporary files.
pub fn fetch(
    build: &Build,
    into: &Path,
    python: Option<&OsStr>,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<FoundLibrary> {
    cancel.check()?;
    let write = |error: io::Error| cannot_write(into, error);
    fs::create_dir_all(into).map_err(write)?;
    // Absolute, because it is opened later and the working folder may change.
    let into = std::path::absolute(into).map_err(write)?;
    let lock = lock(&into, cancel, progress)?;
    let located = FoundLibrary { path: into.join(build.file_name), origin: Origin::DataDir };
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
    let mut reported = Bytes(0);
    let wheel = python.download(build, work.path(), cancel, &mut |done, of| {
        if done > reported {
            reported = done;
            progress(FetchEvent::Downloading { done, of });
        }
    })?;
    progress(FetchEvent::Unpacking);
    unpack(build, &wheel, &into)?;
    // closed explicitly, because dropping it would ignore an error
    work.close().map_err(write)?;
    progress(FetchEvent::Done { path: located.path.clone() });
    Ok(located)
}

/// Locks the folder; `None` on file systems without locks, where the last of several fetches wins.
pub(super) fn lock(
    into: &Path,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(FetchEvent),
) -> Result<Option<File>> {
    let file = File::create(into.join(LOCK_FILE)).map_err(|error| cannot_write(into, error))?;
    let (stop, stopped) = bounded::<()>(1);
    let _registered = cancel.on_cancel(move || {
        stop.try_send(()).ok();
    });
    let mut reported = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "Fetching without a lock");
                return Ok(None);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !reported {
            reported = true;
            progress(FetchEvent::Waiting { into: into.to_path_buf() });
        }
        if stopped.recv_timeout(ASK_LOCK_EVERY).is_ok() {
            cancel.check()?;
        }
    }
}

/// Removes leftovers of killed processes. Only under the lock, since they might belong to a running process.
pub(super) fn remove_leftovers(dir: &Path) {
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
