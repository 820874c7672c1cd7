//! What the form is compared with: the preset that was applied, else the defaults of its model.

use super::form::Form;
use super::state::SeedMode;
use crate::core::Draft;
use crate::plan::{Difference, differences};
use crate::presets::{Preset, PresetLora};

/// A preset before it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct PresetPreview {
    /// Its name.
    pub(in crate::app) name: String,
    /// What it is for.
    pub(in crate::app) description: String,
    /// The model that it needs, if it is not installed.
    pub(in crate::app) missing_model: Option<String>,
    /// The names of its LoRAs whose files are not on this machine.
    pub(in crate::app) missing_loras: Vec<String>,
    /// What it would change in the form.
    pub(in crate::app) differences: Vec<Difference>,
}

impl Form {
    /// The name of the preset that was applied last, while its model is still in the form.
    pub(in crate::app) fn preset(&self) -> Option<&Preset> {
        let name = self.context.preset.as_ref()?;
        let preset = self.planner.catalog().preset(name).ok()?;
        let is_for_it =
            preset.model.is_empty() || self.planner.catalog().is_made_for(preset, &self.draft.model);
        is_for_it.then_some(preset)
    }

    /// The draft that the form is compared with: the preset's, else the defaults of the form's model.
    pub(in crate::app) fn reference(&self) -> Option<Draft> {
        let draft = if let Some(preset) = self.preset().filter(|preset| preset.is_complete()) {
            preset.draft("")
        } else {
            let model = self.planner.model(&self.draft.model).ok()?;
            self.planner.catalog().defaults(model, self.mode()?).ok()?
        };
        let draft = self.planner.new_form(draft);
        // a size that follows the shape of the start image was not entered by anybody
        let size =
            if Some(self.draft.size) == self.context.given_size { self.draft.size } else { draft.size };
        Some(Draft { size, model: self.draft.model.clone(), ..draft })
    }

    /// The presets, each with what it would change.
    pub(in crate::app) fn preset_previews(&self) -> Vec<PresetPreview> {
        let preview = |preset: &Preset| {
            let after = self.with_preset(preset);
            PresetPreview {
                name: preset.name.clone(),
                description: preset.description.clone(),
                missing_model: self.planner.model(&after.model).is_err().then(|| after.model.clone()),
                missing_loras: self
                    .planner
                    .catalog()
                    .preset_for_model(preset, &after.model)
                    .missing_loras()
                    .map(PresetLora::name)
                    .collect(),
                differences: differences(&self.draft, &after),
            }
        };
        self.planner.catalog().presets().iter().map(preview).collect()
    }

    /// The form as a preset without a name, with all fields that it can set; `None` while it has no mode.
    pub(in crate::app) fn as_preset(&self) -> Option<Preset> {
        let mut preset = Preset::of(&self.draft, self.mode()?, "", "");
        preset.settings.seed = Some(self.draft.seed);
        Some(preset)
    }

    /// Takes the settings of a preset into the form; prompt and images stay, and the seed unless the preset has one.
    pub(in crate::app) fn apply_preset(&mut self, preset: &Preset) {
        self.draft = self.with_preset(preset);
        self.context.preset = Some(preset.name.clone());
        self.context.reason = format!("you chose the preset {}", preset.name);
        if preset.settings.seed.is_some() {
            self.context.seed_mode = SeedMode::Fixed;
        }
        self.context.given_size = Some(self.draft.size);
        self.context.routed_mode = None;
        self.context.is_model_chosen = true;
    }

    /// The form with the settings of a preset. A variant of the preset's model is as good as the model.
    fn with_preset(&self, preset: &Preset) -> Draft {
        let before = self.draft.clone();
        if !preset.is_complete() {
            // what it does not set stays
            let mut draft = before;
            preset.apply(&mut draft);
            return draft;
        }
        let chosen = self.planner.new_form(preset.draft(&before.prompt));
        let catalog = self.planner.catalog();
        let model = if catalog.is_made_for(preset, &before.model) {
            before.model
        } else {
            let installed = self.models().iter().filter(|model| model.limits.is_ok());
            let mut made_for = installed.filter(|model| catalog.is_made_for(preset, &model.id));
            made_for.next().map_or(chosen.model, |model| model.id.clone())
        };
        let of_model = self.planner.new_form(catalog.preset_for_model(preset, &model).draft(&before.prompt));
        Draft {
            loras: of_model.loras,
            model,
            seed: preset.settings.seed.unwrap_or(before.seed),
            start_image: before.start_image,
            continue_from: before.continue_from,
            end_image: before.end_image,
            ..chosen
        }
    }
}
