//! Import of another program's configuration: what each key becomes, before it counts.

use std::path::PathBuf;

use eframe::egui::{Align, Button, Grid, Label, RichText, TextEdit, Ui};

use super::panel::SettingsAction;
use crate::app::background::inputs::InputSource;
use crate::app::widgets::field::is_entered;
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

/// Draws what is imported from where, and what it would change; a preview that `is_new` is brought into view.
pub(super) fn import_ui(
    ui: &mut Ui,
    preview: Option<&ImportPreview>,
    typed: &mut String,
    is_new: bool,
    actions: &mut Vec<SettingsAction>,
) {
    let about =
        "Takes over a JSON configuration of another program. Nothing changes before you have seen it.";
    ui.add(Label::new(RichText::new(about).small().weak()).wrap());
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Configuration file");
        let edit = TextEdit::singleline(typed).hint_text("path of a JSON file").desired_width(260.0);
        let edit = ui.add(edit).labelled_by(label.id);
        let file = InputSource::parse(typed);
        let read = ui.add_enabled(file.is_some(), Button::new("Read"));
        if read.clicked() || is_entered(ui, &edit) {
            actions.extend(file.map(SettingsAction::ReadImport));
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
    if is_new {
        // it is at the end of the page, where nobody would see it
        ui.scroll_to_cursor(Some(Align::Max));
    }
}
