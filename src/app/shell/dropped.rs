//! Files and images that were dropped onto the window or pasted into it.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{ColorImage, Context, Event, Id, PopupAnchor, Tooltip, Ui};

use super::app::App;
use crate::app::background::inputs::{InputSource, InputWell};
use crate::app::background::restore::is_weights;

impl App {
    /// Takes in what was dropped and pasted: into the image well under the pointer, else as what it is.
    pub(super) fn take_files(&mut self, ctx: &Context, now: Instant) {
        let dropped = ctx.input(|input| {
            input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect::<Vec<_>>()
        });
        let well = self.panels.compose.well_under_pointer(ctx);
        for path in dropped {
            match well.filter(|_| !is_weights(&path)) {
                Some(well) => self.state.form.set_input(well, Some(InputSource::of(path))),
                None => self.state.open_file(path, now),
            }
        }
        for image in pasted_images(ctx) {
            self.state.inputs.paste_image(well.unwrap_or(InputWell::Start), &image);
        }
    }
}

/// Images that were pasted into the window.
fn pasted_images(ctx: &Context) -> Vec<Arc<ColorImage>> {
    ctx.input(|input| {
        let image = |event: &Event| match event {
            Event::PasteImage(image) => Some(Arc::clone(image)),
            _ => None,
        };
        input.events.iter().filter_map(image).collect()
    })
}

/// Shows what dropping a dragged file would do.
pub(super) fn hint_ui(ui: &Ui) {
    let (layer, anchor) = (ui.layer_id(), PopupAnchor::Pointer);
    Tooltip::always_open(ui.ctx().clone(), layer, Id::unique("drop"), anchor).show(|ui| {
        ui.label("Drop a video to bring its settings back, an image to start from, or a LoRA");
    });
}
