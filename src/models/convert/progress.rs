//! The progress of an unfinished conversion, saved beside its shards so that it can be resumed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{ConversionTarget, Shard};
use super::report::LayerError;
use super::shard::failed;
use crate::core::{Bytes, Result};

/// Name of the progress file in the unfinished folder.
pub(super) const PROGRESS_FILE: &str = "unfinished.json";
/// Version of the file format; a file of another version is ignored.
const VERSION: u32 = 1;

/// Whether `folder` holds a conversion that has not come to its end.
pub(in crate::models) fn is_unfinished(folder: &Path) -> bool {
    folder.join(PROGRESS_FILE).is_file()
}

/// A conversion and its finished shards.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    version: u32,
    /// Identity of the source model: tensor offsets, file sizes and modification times.
    source: String,
    precision: ConversionTarget,
    shard_bytes: Bytes,
    finished: Vec<Finished>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    path: PathBuf,
    /// Size of the file in bytes.
    length: u64,
    layers: Vec<LayerError>,
}

impl Progress {
    /// Loads the progress of this conversion from `dir`, or empties the folder and starts anew.
    ///
    /// Also returns whether the folder held a conversion of a different source or precision.
    pub(super) fn open(
        dir: &Path,
        source: String,
        precision: ConversionTarget,
        shard_bytes: Bytes,
    ) -> Result<(Self, bool)> {
        let known = fs::read(dir.join(PROGRESS_FILE)).ok();
        let known: Option<Self> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let same = |known: &Self| {
            known.version == VERSION
                && known.source == source
                && known.precision == precision
                && known.shard_bytes == shard_bytes
        };
        let changed = known.as_ref().is_some_and(|known| !same(known));
        if let Some(known) = known.filter(same) {
            return Ok((known, false));
        }
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(|error| failed(dir, error))?;
        }
        fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
        let new = Self { version: VERSION, source, precision, shard_bytes, finished: Vec::new() };
        new.write(dir)?;
        Ok((new, changed))
    }

    /// The layer errors of `shard` if it is finished and its file still has the recorded size.
    pub(super) fn finished(&self, dir: &Path, shard: &Shard<'_>) -> Option<&[LayerError]> {
        let known = self.finished.iter().find(|known| known.path == shard.path)?;
        let there = fs::metadata(dir.join(&shard.path)).is_ok_and(|about| about.len() == known.length);
        there.then_some(known.layers.as_slice())
    }

    /// Records that `shard` is finished.
    pub(super) fn add(&mut self, dir: &Path, shard: &Shard<'_>, layers: Vec<LayerError>) -> Result<()> {
        let path = dir.join(&shard.path);
        let length = fs::metadata(&path).map_err(|error| failed(&path, error))?.len();
        self.finished.retain(|known| known.path != shard.path);
        self.finished.push(Finished { path: shard.path.clone(), length, layers });
        self.write(dir)
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        replace(&dir.join(PROGRESS_FILE), &text)
    }
}

/// Writes a small file atomically: to a temporary name, synced and renamed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|error| failed(path, error))
}
