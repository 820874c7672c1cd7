//! The diagnostics as they would be saved.

use eframe::egui::{Button, CollapsingHeader, FontFamily, Label, RichText, ScrollArea, TextEdit, Ui};

use super::panel::LogAction;
use crate::app::background::inputs::InputSource;
use crate::app::widgets::field::is_entered;
use crate::library::DiagnosticsBundle;

/// Least height of the texts.
const MIN_HEIGHT: f32 = 160.0;

pub(super) fn bundle_ui(
    ui: &mut Ui,
    bundle: &DiagnosticsBundle,
    path: &mut String,
    actions: &mut Vec<LogAction>,
) {
    ui.separator();
    ui.strong("Diagnostics");
    ui.weak("This is all that would be saved. Prompts, paths and names were replaced.");
    let height = (ui.available_height() * 0.6).max(MIN_HEIGHT);
    ScrollArea::vertical().id_salt("bundle").max_height(height).show(ui, |ui| {
        for (name, text) in &bundle.files {
            CollapsingHeader::new(name).default_open(name != "log.txt").show(ui, |ui| {
                let text = RichText::new(text).small().family(FontFamily::Monospace);
                ui.add(Label::new(text).wrap().selectable(true));
            });
        }
    });
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Save as");
        let edit = TextEdit::singleline(path).hint_text("path of a new zip file").desired_width(260.0);
        let edit = ui.add(edit).labelled_by(label.id);
        let file = InputSource::parse(path);
        let save = ui.add_enabled(file.is_some(), Button::new("Save diagnostics"));
        let is_wanted = save.on_disabled_hover_text("Type where to save it first").clicked();
        if is_wanted || is_entered(ui, &edit) {
            actions.extend(file.map(LogAction::SaveBundle));
        }
        if ui.button("Close diagnostics").clicked() {
            actions.push(LogAction::DropBundle);
        }
    });
}
