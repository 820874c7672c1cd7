//! Atomic replacement of small files.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::staged::stage_in;
use crate::core::{Error, Kind, Result};

/// Syncs a folder, so that a new name in it survives a power cut. A failure is only logged: the file itself is complete.
pub fn sync_folder(folder: &Path) {
    if let Err(error) = fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("cannot sync {}: {error}", folder.display());
    }
}

/// Creates a folder, and missing ones above it, whose names survive a power cut.
pub fn create_folder(folder: &Path) -> std::io::Result<()> {
    create_with(&fs::DirBuilder::new(), folder)
}

/// Creates a folder like [`create_folder`] that only this user can open: what is in it may be private.
pub fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is set on Unix only"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    create_with(&builder, folder)
}

fn create_with(builder: &fs::DirBuilder, folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_with(builder, parent)?;
    }
    match builder.create(folder) {
        // another program may create it at the same time
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !folder.is_dir() => Err(error),
        _ => {
            sync_folder(parent.unwrap_or_else(|| Path::new(".")));
            Ok(())
        }
    }
}

/// Lets only this user open a file or folder. Where the file system has no permissions, nothing changes.
pub fn make_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
            tracing::debug!("cannot set the permissions of {}: {error}", path.display());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Writes a temporary file beside `path`, syncs it and renames it to `path`, so that readers see the old or the new
/// file. Creates missing folders.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        create_folder(dir)?;
        let mut staged = stage_in(dir, "")?;
        staged.write_all(bytes)?;
        staged.as_file().sync_all()?;
        staged.persist(path)?;
        sync_folder(dir);
        Ok(())
    };
    write().map_err(|error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Check that the folder is writable and that its disk has free space")
    })
}
