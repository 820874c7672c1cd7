//! Room on a disk.

use std::path::Path;

use crate::core::Bytes;

/// Bytes that may still be written below `dir`; `None` where the system does not say.
#[cfg(unix)]
pub fn free_space(dir: &Path) -> Option<Bytes> {
    let found = rustix::fs::statvfs(dir).ok()?;
    Some(Bytes(found.f_bavail.saturating_mul(found.f_frsize)))
}

/// Bytes that may still be written below `dir`; `None` where the system does not say.
#[cfg(not(unix))]
pub fn free_space(_dir: &Path) -> Option<Bytes> {
    None
}
