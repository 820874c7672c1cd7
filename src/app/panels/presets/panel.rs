//! The list of presets with description and settings.

use eframe::egui::{Label, ScrollArea, Ui};

use crate::presets::Preset;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct PresetsView<'a> {
    /// Presets, the shipped ones first.
    pub(in crate::app) presets: &'a [Preset],
}

/// Actions of the presets panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum PresetsAction {
    /// Apply this preset to the form; keep prompt and seed.
    Apply(String),
}

/// The view state of the presets panel.
#[derive(Default)]
pub(in crate::app) struct PresetsPanel {}

impl PresetsPanel {
    /// Draws the presets; returns the user's actions.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "every panel is drawn alike")]
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &PresetsView<'_>) -> Vec<PresetsAction> {
        let mut actions = Vec::new();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for preset in view.presets {
                if ui.push_id(&preset.name, |ui| preset_ui(ui, preset)).inner {
                    actions.push(PresetsAction::Apply(preset.name.clone()));
                }
            }
        });
        actions
    }
}

/// Draws one preset; returns whether it should be applied.
fn preset_ui(ui: &mut Ui, preset: &Preset) -> bool {
    let name = format!("Apply {}", preset.name);
    let about = "Use its settings in the form; prompt, images and seed stay";
    let heading = |ui: &mut Ui| {
        ui.strong(&preset.name);
        ui.small_button(name).on_hover_text(about).clicked()
    };
    let applied = ui.horizontal(heading).inner;
    let fields = &preset.settings;
    ui.weak(format!(
        "{} · {} · {}×{} · {} steps · guidance {}",
        preset.model, preset.mode, fields.size, fields.frames, fields.steps, fields.guidance
    ));
    ui.add(Label::new(&preset.description).wrap());
    ui.separator();
    applied
}
