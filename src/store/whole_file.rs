//! Small files that are replaced in one step.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::core::{Error, Kind, Result};

/// Writes a file beside its place, syncs and renames it: at any time the file is the old one or the new one.
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
            .remedy("Check that the folder can be written to and that its disk has room")
    })
}
