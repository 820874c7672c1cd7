//! The fields of a preset: what it sets in one line, and an editor of them.

use std::collections::BTreeMap;

use eframe::egui::{Button, Checkbox, Grid, TextEdit, Ui};

use crate::app::widgets::field::problem_text_ui;
use crate::core::{Error, Result, shortened};
use crate::presets::{Preset, PresetField, PresetLora};

/// Longest value that is shown in a line, in characters.
pub(super) const LONGEST: usize = 32;
/// Width of a value's field in points.
const VALUE_WIDTH: f32 = 320.0;

/// What a preset sets, in one line.
pub(super) fn summary(preset: &Preset) -> String {
    let value = |field: PresetField| match field {
        PresetField::Loras => {
            let names: Vec<_> = preset.settings.loras.iter().flatten().map(PresetLora::name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        }
        _ => preset.value(field).unwrap_or_default(),
    };
    let part = |field: PresetField| {
        let value = value(field);
        let value = if value.is_empty() { "none" } else { value.as_str() };
        format!("{} {}", lower(field), shortened(value, LONGEST))
    };
    let parts: Vec<_> = preset.fields().map(part).collect();
    if parts.is_empty() { "Sets nothing".to_owned() } else { format!("Sets {}", parts.join(" · ")) }
}

/// The name of a field within a sentence.
fn lower(field: PresetField) -> String {
    if field == PresetField::Loras { field.label().to_owned() } else { field.label().to_lowercase() }
}

/// An own preset that is edited.
pub(super) struct PresetEdit {
    preset: Preset,
    /// What is typed for each field, and whether the preset sets it.
    values: BTreeMap<PresetField, (bool, String)>,
    problem: Option<Error>,
}

/// How an editor was left.
pub(super) enum Edited {
    /// With these changes.
    Changed(Box<Preset>),
    /// Without changes.
    Cancelled,
}

impl PresetEdit {
    /// An editor of `preset`.
    pub(super) fn new(preset: &Preset) -> Self {
        let value = |field: PresetField| {
            let value = preset.value(field);
            (field, (value.is_some(), value.unwrap_or_default()))
        };
        Self {
            preset: preset.clone(),
            values: PresetField::ALL.into_iter().map(value).collect(),
            problem: None,
        }
    }

    /// Whether it edits the preset called `name`.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.preset.name == name
    }

    /// Draws the editor; returns how it was left, if it was. `form` is the form as a preset.
    pub(super) fn ui(&mut self, ui: &mut Ui, form: Option<&Preset>) -> Option<Edited> {
        Grid::new("preset editor").num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
            let label = ui.label("Description");
            ui.add(TextEdit::singleline(&mut self.preset.description).desired_width(VALUE_WIDTH))
                .labelled_by(label.id);
            ui.end_row();
            for (field, (is_set, text)) in &mut self.values {
                let chosen = ui.add(Checkbox::new(is_set, format!("Sets {}", lower(*field))));
                let edit = TextEdit::singleline(text).hint_text(field.example()).desired_width(VALUE_WIDTH);
                let edit = ui.add(edit).labelled_by(chosen.id);
                chosen.on_hover_text("Whether the preset sets it; what it does not set stays as it is");
                // what is typed counts
                *is_set |= edit.changed();
                ui.end_row();
            }
        });
        if let Some(problem) = &self.problem {
            problem_text_ui(ui, problem);
        }
        let mut left = None;
        ui.horizontal_wrapped(|ui| {
            if ui.button("Save changes").clicked() {
                match self.changed() {
                    Ok(preset) => left = Some(Edited::Changed(Box::new(preset))),
                    Err(problem) => self.problem = Some(problem),
                }
            }
            let take = ui.add_enabled(form.is_some(), Button::new("Take values from the form"));
            if take.on_hover_text("Gives the chosen fields the values that the form has").clicked()
                && let Some(form) = form
            {
                self.take(form);
            }
            if ui.button("Cancel editing").clicked() {
                left = Some(Edited::Cancelled);
            }
        });
        left
    }

    /// Takes the values of the form for the fields that are set.
    fn take(&mut self, form: &Preset) {
        for (field, (is_set, text)) in &mut self.values {
            if let Some(value) = form.value(*field).filter(|_| *is_set) {
                *text = value;
            }
        }
    }

    /// The preset with what is typed, or what is wrong with it.
    fn changed(&self) -> Result<Preset> {
        let mut preset = self.preset.clone();
        for (field, (is_set, text)) in &self.values {
            if *is_set {
                preset.set(*field, text)?;
            } else {
                preset.clear(*field);
            }
        }
        Ok(preset)
    }
}
