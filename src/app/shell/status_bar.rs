//! The status bar: running job, memory, device.

use std::time::Instant;

use eframe::egui::{Align, Layout, Panel, RichText, Ui};

use super::app::State;
use crate::app::panels::monitor::meter;
use crate::app::theme;
use crate::app::widgets::stage_bar::stage_words;
use crate::core::Secs;

/// Draws the status bar.
pub(super) fn ui(ui: &mut Ui, state: &State, now: Instant) {
    Panel::bottom("status").resizable(false).exact_size(theme::STATUS_HEIGHT).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 18.0;
            match state.live.first() {
                Some((id, job)) => {
                    let elapsed = Secs::from(now.saturating_duration_since(job.follower.started()));
                    let left = job.follower.progress().remaining();
                    let time =
                        left.map_or_else(|| format!("{elapsed} so far"), |left| format!("{left} left"));
                    let text =
                        format!("Running job {id} · {} · {time}", stage_words(job.follower.progress()));
                    ui.label(RichText::new(text).small());
                }
                None => {
                    ui.label(RichText::new("Ready").small().weak());
                }
            }
            ui.label(RichText::new(meter(state.measurements.view().snapshot)).small().weak());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let text = format!("Wandeck {}", env!("CARGO_PKG_VERSION"));
                ui.label(RichText::new(text).small().weak());
            });
        });
    });
}
