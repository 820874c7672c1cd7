//! What an unfinished conversion has done already, kept beside its shards.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{ConversionTarget, Shard};
use super::report::LayerError;
use super::shard::failed;
use crate::core::{Bytes, Result};

/// Name of the ledger in the unfinished folder.
pub(super) const LEDGER: &str = "unfinished.json";
/// Form of the file; another one is not read.
const VERSION: u32 = 1;

/// The conversion that the folder is for, and its finished shards.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ledger {
    version: u32,
    /// Identity of the source: its tensors' places, and size and time of its files.
    source: String,
    precision: ConversionTarget,
    shard_bytes: Bytes,
    finished: Vec<Finished>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    path: PathBuf,
    /// Length of the file.
    length: u64,
    layers: Vec<LayerError>,
}

impl Ledger {
    /// The ledger of the same conversion in `dir`; if there is none, the folder is emptied and a new one begun.
    /// Also says whether another source or precision was being converted there.
    pub(super) fn open(
        dir: &Path,
        source: String,
        precision: ConversionTarget,
        shard_bytes: Bytes,
    ) -> Result<(Self, bool)> {
        let known = fs::read(dir.join(LEDGER)).ok();
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

    /// The errors of `shard`'s layers, if it is finished and its file is as it was left.
    pub(super) fn finished(&self, dir: &Path, shard: &Shard<'_>) -> Option<&[LayerError]> {
        let known = self.finished.iter().find(|known| known.path == shard.path)?;
        let there = fs::metadata(dir.join(&shard.path)).is_ok_and(|about| about.len() == known.length);
        there.then_some(known.layers.as_slice())
    }

    /// Notes that `shard` is finished.
    pub(super) fn add(&mut self, dir: &Path, shard: &Shard<'_>, layers: Vec<LayerError>) -> Result<()> {
        let path = dir.join(&shard.path);
        let length = fs::metadata(&path).map_err(|error| failed(&path, error))?.len();
        self.finished.retain(|known| known.path != shard.path);
        self.finished.push(Finished { path: shard.path.clone(), length, layers });
        self.write(dir)
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        replace(&dir.join(LEDGER), &text)
    }
}

/// Writes a small file whole or not at all.
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
