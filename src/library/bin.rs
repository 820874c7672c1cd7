//! Deleting finished files: they go to the system's bin, and the last deletion can be undone.

use std::path::{Path, PathBuf};

use crate::core::{Error, Kind, Result};

/// Moves a video, image or folder of frames to the bin.
pub fn move_to_bin(path: &Path) -> Result<()> {
    trash::delete(path).map_err(|error| {
        Error::new(Kind::Io, format!("Cannot move to the bin: {}", path.display()))
            .because(error)
            .remedy("Delete it in the file manager")
    })
}

/// Restores what was moved to the bin from `paths`, the newest deletion of each.
#[cfg(any(target_os = "windows", all(unix, not(target_os = "macos"))))]
pub fn restore_from_bin(paths: &[PathBuf]) -> Result<()> {
    use trash::os_limited::{list, restore_all};

    let failed = |error: trash::Error| {
        Error::new(Kind::Io, "Cannot restore from the bin")
            .because(error)
            .remedy("Restore it in the file manager")
    };
    let mut items = list().map_err(failed)?;
    items.sort_by_key(|item| std::cmp::Reverse(item.time_deleted));
    let newest = |path: &PathBuf| items.iter().find(|item| item.original_path() == *path).cloned();
    let found: Vec<_> = paths.iter().filter_map(newest).collect();
    if found.len() < paths.len() {
        return Err(Error::new(Kind::Io, "Some files are no longer in the bin, so nothing was restored")
            .remedy("Look for them in the file manager"));
    }
    restore_all(found).map_err(failed)
}

/// Restoring is left to the Finder.
#[cfg(target_os = "macos")]
pub fn restore_from_bin(_paths: &[PathBuf]) -> Result<()> {
    Err(Error::new(Kind::Unsupported, "Files cannot be restored from the bin here")
        .remedy("Restore them in the Finder"))
}
