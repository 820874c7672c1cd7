//! The states at the switch between the two experts, which the cells of a sweep share.
//!
//! Cells that differ only in what the low-noise expert does have the same state when the high-noise expert is done. The
//! first one saves it, under a key over everything that decides it, and the others start from there, to the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::state_file::{StateKey, read_state, write_state};
use crate::core::{Bytes, Error, Kind, Result};
use crate::pipeline::DenoiseState;
use crate::store::{bound_folder, create_folder};

/// The states that a data folder keeps.
pub(crate) struct SwitchStates {
    folder: PathBuf,
    bound: Bytes,
}

impl SwitchStates {
    /// The states of a data folder, up to `bound` bytes of them.
    pub(crate) fn of(data_dir: &Path, bound: Bytes) -> Self {
        Self { folder: data_dir.join("cache").join("switch"), bound }
    }

    /// The state with the key `key`, if an earlier job saved it.
    pub(super) fn read(&self, fresh: &DenoiseState, key: &str) -> Option<DenoiseState> {
        let path = self.path(key);
        let state = read_state(&path, fresh, key)?;
        // the modification time is the time of last use
        if let Err(error) = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!("cannot set the modification time of {}: {error}", path.display());
        }
        Some(state)
    }

    /// Saves the state with the key `key`, and deletes the ones that were not used for the longest time.
    pub(super) fn save(&self, state: &DenoiseState, key: &StateKey) -> Result<()> {
        let written = create_folder(&self.folder)
            .and_then(|()| write_state(&self.path(&key.hash), state, key))
            .and_then(|()| bound_folder(&self.folder, self.bound));
        written.map_err(|error| {
            Error::new(
                Kind::Io,
                format!("Cannot save the high-noise expert's latents in {}", self.folder.display()),
            )
            .because(error)
            .remedy("Free disk space; the other cells of the sweep compute them again")
        })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension("safetensors")
    }
}
