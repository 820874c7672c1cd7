//! Writes what was planned.

use std::fs;
use std::path::Path;

use super::file::{self, Filling};
use super::layout::Plan;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::monitor::free_space;

impl Plan {
    /// Writes the checkpoint into `dir`, which must have room for it and hold nothing yet. `written` hears how many
    /// more bytes are written.
    pub fn write(
        &self,
        dir: &Path,
        filling: Filling,
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
                .remedy("Choose a new folder: a mixture of two models could not be told apart"));
        }
        let (needed, free) = (self.size(), free_space(dir));
        if let Some(free) = free.filter(|free| *free < needed && !filling.hollow) {
            return Err(Error::new(
                Kind::Io,
                format!("The model takes {needed} and {} has {free} free", dir.display()),
            )
            .remedy("Choose another disk, fewer layers or a smaller vocabulary"));
        }
        for (path, bytes) in &self.others {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
            fs::write(&path, bytes).map_err(failed)?;
        }
        for (path, tensors) in &self.weights {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
            file::write(&path, tensors, filling, cancel, written)?;
        }
        Ok(())
    }
}
