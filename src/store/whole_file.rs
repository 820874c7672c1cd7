//! Atomic replacement of small files.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::core::{Error, Kind, Result};

/// Writes a temporary file beside `path`, syncs it and renames it to `path`, so that readers see the old or the new
/// file. Creates missing folders.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(dir)?;
        let mut staged = tempfile::NamedTempFile::new_in(dir)?;
        staged.write_all(bytes)?;
        staged.as_file().sync_all()?;
        staged.persist(path)?;
        Ok(())
    };
    write().map_err(|error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Check that the folder is writable and that its disk has free space")
    })
}
