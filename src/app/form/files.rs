//! Files that a person chooses for the components of the form's model.

use super::form::Form;
use super::scan::{ChosenFiles, put};
use crate::core::{ComponentFiles, Result};
use crate::models::Installed;
use crate::plan::{DraftChanges, ModelReport};

impl Form {
    /// The files that are chosen for the form's model now.
    pub(super) fn chosen_files(&self) -> ChosenFiles {
        let files = self.draft.components.clone();
        if files.is_empty() {
            return ChosenFiles::default();
        }
        ChosenFiles { model: self.draft.model.clone(), path: self.model_path().ok(), files }
    }

    /// Whether other files are chosen than those that the models were scanned with.
    pub(in crate::app) fn has_other_files(&self) -> bool {
        let (now, scanned) = (&self.draft, &self.scanned_files);
        self.is_scanned()
            && (now.components != scanned.files || (!now.components.is_empty() && now.model != scanned.model))
    }

    /// Selects `model`, which was opened with `files` for its components.
    pub(in crate::app) fn choose_files(&mut self, model: Installed, files: ComponentFiles) -> Result<()> {
        let id = model.id.clone();
        let mut models = self.models().to_vec();
        put(&mut models, model);
        self.planner.set_models(models);
        if id == self.draft.model {
            self.draft.components = files;
        } else {
            let changes = DraftChanges { model: Some(id), components: files, ..self.kept() };
            self.take(changes)?;
        }
        self.scanned_files = self.chosen_files();
        Ok(())
    }

    /// A function that finds out what a model can do and needs, to be called on another thread.
    pub(in crate::app) fn look_at_model(
        &self,
        model: Installed,
    ) -> impl FnOnce() -> Result<ModelReport> + Send + 'static {
        let planner = self.planner.clone();
        move || planner.model_report(&model)
    }
}
