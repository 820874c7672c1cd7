//! What a job can be planned with: a snapshot of the installed models, the official ranges and the presets.

use std::path::{Path, PathBuf};

use super::profiles::Profiles;
use super::route::Candidate;
use crate::core::{ComponentFiles, Draft, Error, Kind, Mode, Resolution, Result};
use crate::models::{self, Installed, RoleHints};
use crate::presets::{self, Preset};

/// Where the program keeps its files and looks for models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The program's own files; outputs go below it.
    pub data: PathBuf,
    /// A folder with models that is looked at first.
    pub models: Option<PathBuf>,
}

impl Folders {
    /// Scans these folders for models. Reads the disk, so do not call it on the window's thread.
    pub fn scan(&self) -> Vec<Installed> {
        self.scan_with(&ComponentFiles::default())
    }

    /// Scans for models that use `files` for their components.
    pub fn scan_with(&self, files: &ComponentFiles) -> Vec<Installed> {
        models::installed_with(&self.data, self.models.as_deref(), files)
    }

    /// The one model `name`, an id or the path of a folder. Reads that model only, where its name says where it is.
    pub fn open(&self, name: &str) -> Result<Installed> {
        self.open_with(name, &ComponentFiles::default())
    }

    /// The model `name` with `files` for its components.
    pub fn open_with(&self, name: &str, files: &ComponentFiles) -> Result<Installed> {
        let path = models::find(name, &self.data, self.models.as_deref())?;
        let opened = models::inspect_with(&path, RoleHints::new(Some(&self.data), files))?;
        let path = opened.path_in(path);
        let mut model = Installed::new(opened.checkpoint.id.clone(), path, Ok(opened));
        if !model.is_called(name) {
            model.names.push(name.to_owned());
        }
        Ok(model)
    }
}

/// The models, profiles and presets that a job is planned with, as data.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Every model, those that cannot be used included.
    pub models: Vec<Installed>,
    /// The ranges of the official models.
    pub profiles: Profiles,
    presets: Vec<Preset>,
}

impl Catalog {
    /// A catalogue of `models` with the shipped presets.
    pub fn new(models: Vec<Installed>, profiles: Profiles) -> Result<Self> {
        Ok(Self { models, profiles, presets: presets::shipped()? })
    }

    /// Takes in the presets as [`all_presets`](super::all_presets) gives them.
    pub fn set_presets(&mut self, presets: Vec<Preset>) {
        self.presets = presets;
    }

    /// The preset as it is for the model called `model`: one that is distilled needs no LoRA for that.
    pub fn preset_for_model(&self, preset: &Preset, model: &str) -> Preset {
        let info = self.find(model).and_then(|model| model.info.as_ref());
        if info.is_some_and(|info| info.distilled.is_some()) {
            preset.without_distillation()
        } else {
            preset.clone()
        }
    }

    /// The model called `name`: its id or another of its names, its path, or the name of its folder.
    pub fn find(&self, name: &str) -> Option<&Installed> {
        let path = Path::new(name);
        let is_folder = |model: &&Installed| model.path.file_name().is_some_and(|folder| folder == name);
        let by = |is_it: &dyn Fn(&&Installed) -> bool| self.models.iter().find(|model| is_it(model));
        models::called(name, &self.models)
            .or_else(|| by(&|model| model.path == path))
            .or_else(|| by(&is_folder))
    }

    /// The models that the router chooses from.
    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        for Installed { id, limits, family, .. } in &self.models {
            if let Ok(limits) = limits {
                let known = self.preset_for(id).is_some();
                candidates.push(Candidate { id, limits, family: *family, known });
            }
        }
        candidates
    }

    /// All presets, a model's official settings before others for it.
    pub fn presets(&self) -> &[Preset] {
        &self.presets
    }

    /// The preset called `name`.
    pub fn preset(&self, name: &str) -> Result<&Preset> {
        self.presets.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names: Vec<_> = self.presets.iter().map(|preset| preset.name.as_str()).collect();
            Error::new(Kind::Input, format!("Preset \"{name}\" not found"))
                .field("preset")
                .remedy(format!("Available presets: {}", names.join(", ")))
        })
    }

    /// A new draft for `model` in `mode`: the model's own preset, else the official one of the mode, with the default
    /// steps and frames of the model's profile.
    pub fn defaults(&self, model: &Installed, mode: Mode) -> Result<Draft> {
        let preset = match self.preset_for(&model.id) {
            Some(preset) => preset,
            None => self.preset(&presets::for_mode(mode)?.name)?,
        };
        let mut draft = preset.draft("");
        if let Some(profile) = self.profiles.of(mode, model.family) {
            (draft.steps, draft.frames) = (profile.steps.default, profile.frames.default);
        }
        if let Some(distilled) = model.info.as_ref().and_then(|info| info.distilled.as_ref()) {
            distilled.settings.apply(&mut draft);
        }
        // a small model of another name has the official preset, whose size may be more than it takes
        if let Ok(limits) = &model.limits {
            let multiple = limits.strides.size_multiple();
            let longest = limits.max_positions.saturating_mul(multiple);
            let side = |side: u32| side.min(longest).max(multiple) / multiple * multiple;
            draft.size = Resolution::new(side(draft.size.width), side(draft.size.height));
        }
        draft.model.clone_from(&model.id);
        Ok(draft)
    }

    /// The preset made for the model `id`, or for the model that it is a variant of: `t2v-A14B-int8`.
    pub fn preset_for(&self, id: &str) -> Option<&Preset> {
        self.presets.iter().find(|preset| preset.is_complete() && self.is_made_for(preset, id))
    }

    /// Whether a preset is made for the model `id`, or for the model that it is a variant of.
    pub fn is_made_for(&self, preset: &Preset, id: &str) -> bool {
        preset.is_made_for(id) || self.find(id).is_some_and(|model| model.is_variant_of(&preset.model))
    }
}
