//! Small JSON files, written whole or not at all.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::core::{Error, Kind, Result};

/// Writes `value` to `path`, in place of what is there.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Check that the folder can be written to and that its disk has free space")
    };
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::new(Kind::Bug, format!("Cannot encode {}", path.display())).because(error))?;
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    staged.write_all(&text).map_err(failed)?;
    staged.as_file().sync_all().map_err(failed)?;
    staged.persist(path).map(drop).map_err(|error| failed(error.error))
}
