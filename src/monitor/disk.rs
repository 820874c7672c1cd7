//! Free disk space.

use std::path::Path;

use crate::core::Bytes;

/// Free disk space of the file system of `dir` for this user; `None` where the system does not report it.
#[cfg(unix)]
pub fn free_space(dir: &Path) -> Option<Bytes> {
    let found = rustix::fs::statvfs(dir).ok()?;
    Some(Bytes(found.f_bavail.saturating_mul(found.f_frsize)))
}

/// Free disk space of the file system of `dir` for this user; `None` where the system does not report it.
#[cfg(not(unix))]
pub fn free_space(_dir: &Path) -> Option<Bytes> {
    None
}
