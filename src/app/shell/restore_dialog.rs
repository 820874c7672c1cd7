//! A file that Wandeck made was dropped: the dialog asks what it is for.

use std::path::PathBuf;

use eframe::egui::{Context, Id, Label, Modal, RichText};

use crate::app::theme;
use crate::core::{Draft, counted};

/// A file with settings that waits for an answer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct OfferedFile {
    /// The file; the player has it open already.
    pub(in crate::app) path: PathBuf,
    /// The settings in it.
    pub(in crate::app) draft: Box<Draft>,
}

/// What the file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum FileUse {
    /// Its settings come into the form.
    Restore,
    /// It is the start image; of a video the last frame.
    Image,
    /// It is only shown.
    Open,
}

/// Draws the dialog; returns the answer.
pub(super) fn ui(ctx: &Context, offered: &OfferedFile) -> Option<FileUse> {
    let mut answer = None;
    let modal = Modal::new(Id::unique("dropped file")).show(ctx, |ui| {
        ui.set_width(theme::DIALOG_WIDTH);
        let name = offered.path.file_name().unwrap_or_default().to_string_lossy();
        ui.add(Label::new(RichText::new(name).strong()).truncate());
        let Draft { prompt, model, size, frames, steps, seed, .. } = offered.draft.as_ref();
        ui.add(Label::new(prompt).wrap());
        let steps = counted(*steps, "step");
        ui.weak(RichText::new(format!("{model} · {size}×{frames} · {steps} · seed {seed}")).small());
        ui.vertical_centered_justified(|ui| {
            let restore = ui.button("Restore settings");
            if restore
                .on_hover_text("The form gets the settings that made it; Ctrl+Z takes them back")
                .clicked()
            {
                answer = Some(FileUse::Restore);
            }
            let image = ui.button("Use as image");
            if image.on_hover_text("Start from this image, or from the last frame of this video").clicked() {
                answer = Some(FileUse::Image);
            }
            if ui
                .button("Just open")
                .on_hover_text("Show it in the player, and leave the form alone")
                .clicked()
            {
                answer = Some(FileUse::Open);
            }
        });
    });
    if modal.should_close() { answer.or(Some(FileUse::Open)) } else { answer }
}
