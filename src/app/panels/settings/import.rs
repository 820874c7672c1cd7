//! Import of another program's configuration: what each key becomes, before it counts.

use std::path::PathBuf;

use eframe::egui::{Button, Grid, Label, RichText, TextEdit, Ui};

use super::panel::SettingsAction;
use crate::core::counted;
use crate::store::{Imported, Settings};

/// What importing a file would change.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct ImportPreview {
    /// The file.
    pub(in crate::app) file: PathBuf,
    /// What each of its keys becomes.
    pub(in crate::app) imported: Imported,
    /// The settings as they would be.
    pub(in crate::app) settings: Settings,
}

pub(super) fn import_ui(
    ui: &mut Ui,
    preview: Option<&ImportPreview>,
    typed: &mut String,
    actions: &mut Vec<SettingsAction>,
) {
    let about =
        "Takes over a JSON configuration of another program. Nothing changes before you have seen it.";
    ui.add(Label::new(RichText::new(about).small().weak()).wrap());
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Configuration file");
        ui.add(TextEdit::singleline(typed).hint_text("path of a JSON file").desired_width(260.0))
            .labelled_by(label.id);
        let text = typed.trim();
        if ui.add_enabled(!text.is_empty(), Button::new("Read")).clicked() {
            actions.push(SettingsAction::ReadImport(PathBuf::from(text)));
        }
        if ui.button("Browse file…").clicked() {
            actions.push(SettingsAction::BrowseImport);
        }
    });
    let Some(preview) = preview else { return };
    let Imported { taken, left } = &preview.imported;
    let name = preview.file.file_name().unwrap_or_default().to_string_lossy();
    let taken_over = counted(taken.len() as u64, "key");
    ui.label(format!("{name}: {taken_over} taken over, {} not", left.len()));
    Grid::new("import").num_columns(2).striped(true).show(ui, |ui| {
        for (key, setting, value) in taken {
            ui.monospace(key);
            ui.label(format!("{setting} = {value}"));
            ui.end_row();
        }
        for (key, why) in left {
            ui.weak(RichText::new(key).monospace());
            ui.add(Label::new(RichText::new(why).weak()).wrap());
            ui.end_row();
        }
    });
    ui.horizontal(|ui| {
        if ui.add_enabled(!taken.is_empty(), Button::new("Take over")).clicked() {
            actions.push(SettingsAction::TakeImport);
        }
        if ui.button("Discard import").clicked() {
            actions.push(SettingsAction::DropImport);
        }
    });
}
