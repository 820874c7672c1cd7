//! Compares a reproduced video with the original.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::provenance::SavedRequest;
use crate::core::{Error, Kind, Result};

/// The comparison of a reproduced video with the original.
#[derive(Clone, Debug, Serialize)]
pub struct Reproduction {
    /// The original.
    pub from: PathBuf,
    /// Whether both files have the same bytes.
    pub same_bytes: bool,
    /// Differences between the two records.
    pub differences: Vec<String>,
}

impl Reproduction {
    /// Compares the video `new` with the original `from`.
    pub fn compare(from: &Path, new: &Path) -> Result<Self> {
        let differences = match (SavedRequest::read(from)?, SavedRequest::read(new)?) {
            (Some(old), Some(new)) => old.differences(&new),
            _ => Vec::new(),
        };
        Ok(Self { from: from.to_path_buf(), same_bytes: bytes(from)? == bytes(new)?, differences })
    }
}

impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.display();
        if self.same_bytes {
            return write!(f, "The same bytes as {from}");
        }
        if self.differences.is_empty() {
            return write!(
                f,
                "Made with the same settings as {from}, but the bytes differ: the processor, the number of threads or \
                 the file format is not the same"
            );
        }
        write!(f, "Not the same bytes as {from}: {}", self.differences.join("; "))
    }
}

/// The content of a file, or of all files in a folder by name.
fn bytes(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let unreadable = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("Check the path")
    };
    if !path.is_dir() {
        return Ok(vec![(String::new(), fs::read(path).map_err(unreadable)?)]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, fs::read(entry.path()).map_err(unreadable)?));
    }
    files.sort();
    Ok(files)
}
