//! The checkpoint files that were looked at and are part of no model.

use eframe::egui::{CollapsingHeader, Label, RichText, Ui};

use crate::core::counted;
use crate::models::OtherFile;

/// Draws the files with what they seem to be, folded away at first; nothing if there are none.
pub(super) fn others_ui(ui: &mut Ui, others: &[OtherFile]) {
    if others.is_empty() {
        return;
    }
    ui.add_space(6.0);
    let title = counted(others.len() as u64, "other file");
    let header = CollapsingHeader::new(title).id_salt("other files");
    let header = header.show(ui, |ui| {
        for other in others {
            ui.add(Label::new(&other.id).wrap()).on_hover_text(other.path.display().to_string());
            let what = other.seems_to_be.as_ref().map(|what| format!("Seems to be {what}"));
            let what = what.unwrap_or_else(|| format!("{:#}", other.error));
            ui.add(Label::new(RichText::new(what).weak()).wrap());
        }
    });
    header.header_response.on_hover_text("Checkpoint files in the models folders that belong to no model");
}
