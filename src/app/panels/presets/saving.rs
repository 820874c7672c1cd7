//! A new preset of the form: its name, and which fields of the form it sets.

use std::collections::BTreeSet;

use eframe::egui::{Button, Checkbox, CollapsingHeader, DragValue, RichText, TextEdit, Ui};

use super::fields::LONGEST;
use super::panel::{PresetsAction, PresetsView};
use crate::core::shortened;
use crate::presets::{DraftSeeds, Preset, PresetField};

/// Most drafts that can be chosen here.
const MOST_DRAFTS: u32 = 100;

/// What is typed for a new preset.
pub(super) struct NewPreset {
    name: String,
    left_out: BTreeSet<PresetField>,
    drafts: DraftSeeds,
}

impl Default for NewPreset {
    fn default() -> Self {
        Self {
            name: String::new(),
            left_out: BTreeSet::from([PresetField::Seed, PresetField::Drafts]),
            drafts: DraftSeeds { seeds: 6, steps: 4 },
        }
    }
}

impl NewPreset {
    /// Draws the name and the button that saves the form.
    pub(super) fn name_ui(&mut self, ui: &mut Ui, view: &PresetsView<'_>, actions: &mut Vec<PresetsAction>) {
        let label = ui.label("New preset");
        let edit = TextEdit::singleline(&mut self.name).hint_text("name").desired_width(140.0);
        ui.add(edit).labelled_by(label.id);
        let preset = view.form.map(|form| self.preset(form));
        let why = match &preset {
            None => "Choose a model that can be used first",
            Some(preset) if preset.fields().next().is_none() => "Choose a field that it sets first",
            Some(_) => "Type a name for the form's settings first",
        };
        let can_save = preset.as_ref().is_some_and(|preset| preset.fields().next().is_some());
        let save = ui.add_enabled(can_save && !self.name.trim().is_empty(), Button::new("Save form"));
        let save =
            save.on_hover_text("Saves the chosen fields of the form; prompt and images are not part of it");
        if save.on_disabled_hover_text(why).clicked()
            && let Some(preset) = preset
        {
            actions.push(PresetsAction::Save(Box::new(preset)));
        }
    }

    /// Draws which fields of the form the preset sets.
    pub(super) fn fields_ui(&mut self, ui: &mut Ui, view: &PresetsView<'_>) {
        let Some(form) = view.form else { return };
        let form = &self.with_drafts(form);
        let chosen = form.fields().filter(|field| !self.left_out.contains(field)).count();
        let header = CollapsingHeader::new(format!("Fields of the new preset ({chosen})"));
        header.id_salt("fields of the new preset").show(ui, |ui| {
            ui.weak("What is not chosen stays as it is when the preset is applied.");
            ui.horizontal_wrapped(|ui| {
                for field in PresetField::ALL {
                    self.field_ui(ui, form, field);
                }
                if !self.left_out.contains(&PresetField::Drafts) {
                    for (name, value) in [
                        ("Seeds to draft", &mut self.drafts.seeds),
                        ("Steps of a draft", &mut self.drafts.steps),
                    ] {
                        let label = ui.label(name);
                        ui.add(DragValue::new(value).range(1..=MOST_DRAFTS)).labelled_by(label.id);
                    }
                }
            });
            ui.horizontal(|ui| {
                if ui.small_button("Choose all").clicked() {
                    self.left_out.clear();
                }
                if ui.small_button("Choose none").clicked() {
                    self.left_out = PresetField::ALL.into_iter().collect();
                }
            });
        });
    }

    fn field_ui(&mut self, ui: &mut Ui, form: &Preset, field: PresetField) {
        let value = form.value(field);
        let mut is_chosen = value.is_some() && !self.left_out.contains(&field);
        let text = match value.as_deref().map(|value| shortened(value, LONGEST)) {
            Some(value) if !value.is_empty() => format!("{} {value}", field.label()),
            _ => field.label().to_owned(),
        };
        let choice = ui.add_enabled(value.is_some(), Checkbox::new(&mut is_chosen, RichText::new(text)));
        let choice = choice.on_hover_text(value.unwrap_or_default());
        if !choice.on_disabled_hover_text("The form does not set it").changed() {
            return;
        }
        if is_chosen {
            self.left_out.remove(&field);
        } else {
            self.left_out.insert(field);
        }
    }

    fn with_drafts(&self, form: &Preset) -> Preset {
        let mut form = form.clone();
        form.settings.drafts = Some(self.drafts);
        form
    }

    /// The preset of the form with the chosen fields.
    fn preset(&self, form: &Preset) -> Preset {
        let fields = PresetField::ALL.into_iter().filter(|field| !self.left_out.contains(field)).collect();
        Preset { name: self.name.trim().to_owned(), ..self.with_drafts(form).with_only(&fields) }
    }
}
