//! The queue of a data folder that cannot be written to, because its disk is full or read-only.

use std::fs;
use std::path::Path;

use super::leases::queue_folder;
use super::queue::Queue;
use crate::core::{Error, Faults, Kind, Result};

impl Queue {
    /// Opens the queue of a data folder to show it. Where the folder cannot be written to, a copy of what was saved is
    /// opened, which [`Self::take_notes`] says.
    pub fn open_to_read(data_dir: &Path, who: &str, faults: &Faults) -> Result<Self> {
        match Self::open(data_dir, who, faults) {
            Err(error) if error.kind == Kind::Io => Self::open_copy(data_dir, who, &error).ok_or(error),
            opened => opened,
        }
    }

    fn open_copy(data_dir: &Path, who: &str, error: &Error) -> Option<Self> {
        let journal = queue_folder(data_dir).join("journal");
        let copy = tempfile::tempdir().ok()?;
        let to = queue_folder(copy.path());
        fs::create_dir(&to).ok()?;
        fs::copy(journal, to.join("journal")).ok()?;
        let mut queue = Self::open(copy.path(), who, &Faults::default()).ok()?;
        queue.lease.look_in(data_dir);
        queue.notes.push(format!("The queue cannot be changed now and is shown as last saved: {error:#}"));
        queue.copy = Some(copy);
        Some(queue)
    }
}
