//! The list of keyboard shortcuts.

use eframe::egui::{Context, Grid, Id, Modal, RichText, ScrollArea};

use super::command::Command;
use super::shortcuts::Shortcuts;
use crate::app::theme;

/// Draws the list; returns false when it should close.
pub(super) fn ui(ctx: &Context) -> bool {
    let shortcuts = Shortcuts::installed(ctx);
    let modal = Modal::new(Id::unique("keys")).show(ctx, |ui| {
        ui.set_width(theme::PALETTE_WIDTH);
        ui.label(RichText::new("Keyboard shortcuts").strong());
        for (one, other) in shortcuts.conflicts() {
            let text = format!("{} and {} have the same key", one.text(), other.text());
            ui.label(RichText::new(text).color(theme::tokens(ui).warning));
        }
        ui.weak("Keys without Ctrl or Alt act while no field has the focus");
        ScrollArea::vertical().max_height(theme::PALETTE_HEIGHT).show(ui, |ui| {
            Grid::new("keys").num_columns(2).striped(true).show(ui, |ui| {
                for command in Command::all() {
                    let keys: Vec<_> =
                        shortcuts.of(command).iter().map(|key| ui.ctx().format_shortcut(key)).collect();
                    if !keys.is_empty() {
                        ui.label(command.text()).on_hover_text(command.about());
                        ui.monospace(keys.join("  or  "));
                        ui.end_row();
                    }
                }
            });
        });
        ui.button("Close").clicked()
    });
    !(modal.should_close() || modal.inner)
}
