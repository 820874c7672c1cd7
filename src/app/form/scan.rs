//! What is read from disk for the form, off the window's thread.

use crate::core::{Error, Result};
use crate::models::{Installed, OtherFile, other_files};
use crate::plan::{Folders, ListedLora, Profiles, installed_loras};
use crate::store::Settings;

/// The models on this machine and the user's table of modes, as they were found.
pub(in crate::app) struct ModelScan {
    /// Every model, those that cannot be used included.
    pub(in crate::app) models: Vec<Installed>,
    /// Checkpoint files that are part of no model.
    pub(in crate::app) others: Vec<OtherFile>,
    /// Every LoRA.
    pub(in crate::app) loras: Vec<ListedLora>,
    /// The ranges of the modes; the error is the one of the user's own table.
    profiles: Result<Profiles>,
}

impl ModelScan {
    /// Reads the folders of models and the table of modes.
    pub(super) fn read(folders: &Folders, settings: &Settings) -> Self {
        let profiles = Profiles::open(&folders.data).and_then(|table| table.limited(&settings.modes));
        let models = folders.scan();
        let others = other_files(&folders.data, folders.models.as_deref(), &models);
        Self { models, others, loras: installed_loras(folders), profiles }
    }

    /// The models, the table of modes if it can be used, and otherwise why not.
    pub(super) fn into_parts(self) -> (Vec<Installed>, Option<Profiles>, Option<Error>) {
        match self.profiles {
            Ok(profiles) => (self.models, Some(profiles), None),
            Err(error) => (self.models, None, Some(error)),
        }
    }
}
