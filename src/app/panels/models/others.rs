//! The checkpoint files that were looked at and are part of no model.

use eframe::egui::{CollapsingHeader, Label, RichText, Ui};

use super::panel::ModelsAction;
use crate::core::counted;
use crate::models::OtherFile;

/// Draws the files with what they seem to be, folded away at first; nothing if there are none.
pub(super) fn others_ui(ui: &mut Ui, others: &[OtherFile], actions: &mut Vec<ModelsAction>) {
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
            if let Some(place) = &other.belongs_at {
                let button = ui.button(format!("Move {} to the LoRAs", other.id));
                if button.on_hover_text(format!("To {}", place.display())).clicked() {
                    actions.push(ModelsAction::Move(other.path.clone(), place.clone()));
                }
            }
        }
    });
    header.header_response.on_hover_text("Checkpoint files in the models folders that belong to no model");
}
