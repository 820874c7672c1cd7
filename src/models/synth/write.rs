//! Writes the planned files of a synthetic checkpoint.

use std::fs;
use std::path::Path;

use super::file::{self, SynthWeights};
use super::layout::Plan;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::monitor::free_space;

impl Plan {
    /// Writes the checkpoint into the new or empty folder `dir`; `written` is called with the size of each written piece.
    ///
    /// Fails with [`Kind::Input`] if the folder is not empty, and with [`Kind::Io`] if the disk space is not enough.
    pub fn write(
        &self,
        dir: &Path,
        weights: SynthWeights,
        cancel: &CancelToken,
        written: &mut dyn FnMut(Bytes),
    ) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::new(Kind::Io, format!("Cannot write to {}", dir.display()))
                .because(error)
                .remedy("Choose another folder")
        };
        fs::create_dir_all(dir).map_err(failed)?;
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(Error::new(Kind::Input, format!("The folder {} is not empty", dir.display()))
                .remedy(
                    "Choose a new folder, because the files of two models in one folder cannot be separated",
                ));
        }
        let (needed, free) = (self.size(), free_space(dir));
        if let Some(free) = free.filter(|free| *free < needed && !weights.sparse) {
            return Err(Error::new(
                Kind::Io,
                format!(
                    "Not enough disk space for the model: {needed} needed, {free} free in {}",
                    dir.display()
                ),
            )
            .remedy("Choose another disk, fewer layers or a smaller vocabulary"));
        }
        for (path, bytes) in &self.other_files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
            fs::write(&path, bytes).map_err(failed)?;
        }
        for (path, tensors) in &self.weights {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
            file::write(&path, tensors, weights, cancel, written)?;
        }
        Ok(())
    }
}
