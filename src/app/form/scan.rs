//! What is read from disk for the form, off the window's thread.

use std::path::PathBuf;

use crate::core::{ComponentFiles, Error, Kind, Result};
use crate::models::{self, Installed, OtherFile, RoleHints, other_files};
use crate::plan::{Folders, ListedLora, Profiles, installed_loras};
use crate::store::Settings;

/// The form's model with the files that a person chose for its components.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChosenFiles {
    /// The id of the model; empty if no file is chosen.
    pub(super) model: String,
    /// Its path, if it was found before.
    pub(super) path: Option<PathBuf>,
    /// The files.
    pub(super) files: ComponentFiles,
}

impl ChosenFiles {
    /// `models` with the form's model as it is with these files.
    fn replaced(&self, mut models: Vec<Installed>, folders: &Folders) -> Vec<Installed> {
        if self.files.is_empty() {
            return models;
        }
        let known = models.iter().find(|model| model.is_called(&self.model));
        let of_path = || {
            let path = self.path.clone()?;
            let opened =
                models::inspect_with(&path, RoleHints::new(Some(&folders.data), &self.files)).ok()?;
            Some(Installed::new(self.model.clone(), path, Ok(opened)))
        };
        // only the files make it a model of this name
        let of_scan = || {
            let all = folders.scan_with(&self.files);
            all.into_iter().find(|model| model.limits.is_ok() && model.is_called(&self.model))
        };
        let replacement = match known
            .map(|model| (model, open_with_files(model, RoleHints::new(Some(&folders.data), &self.files))))
        {
            Some((_, Ok(model))) => Some(model),
            Some((model, Err(error))) => of_path()
                .or_else(of_scan)
                .or_else(|| Some(Installed { limits: Err(error), info: None, ..model.clone() })),
            None => of_path().or_else(of_scan),
        };
        if let Some(model) = replacement {
            put(&mut models, model);
        }
        models
    }
}

/// Puts a model into a list, in place of the one with its id.
pub(super) fn put(models: &mut Vec<Installed>, model: Installed) {
    models.retain(|known| known.id != model.id);
    models.push(model);
    models.sort_by(|a, b| a.id.cmp(&b.id));
}

/// Opens a model with the choices of a person; it may be one that cannot be used without them.
pub(in crate::app) fn open_with_files(model: &Installed, hints: RoleHints<'_>) -> Result<Installed> {
    let is_of_files =
        |error: &Error| matches!(error.field_name(), Some("vae" | "text_encoder" | "high" | "low"));
    // a folder of files may hold several models
    let names = std::iter::once(&model.id).chain(&model.names).map(|name| model.path.join(name));
    let below = names.filter(|_| model.path.is_dir());
    let mut refused: Option<Error> = None;
    for path in std::iter::once(model.path.clone()).chain(below) {
        match models::inspect_with(&path, hints) {
            Ok(opened) => {
                let (id, path) = (opened.checkpoint.id.clone(), opened.path_in(path));
                return Ok(Installed { names: model.names.clone(), ..Installed::new(id, path, Ok(opened)) });
            }
            Err(error) if is_of_files(&error) => return Err(error),
            Err(error) if refused.is_none() || error.kind != Kind::MissingModel => refused = Some(error),
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| {
        Error::new(Kind::MissingModel, format!("{} is no longer there", model.id)).remedy("Rescan the models")
    }))
}

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
    pub(super) fn read(folders: &Folders, settings: &Settings, chosen: &ChosenFiles) -> Self {
        let profiles = Profiles::open(&folders.data).and_then(|table| table.limited(&settings.modes));
        let models = chosen.replaced(folders.scan(), folders);
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
