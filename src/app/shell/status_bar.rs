//! The status bar: running job, memory, device.

use std::time::Instant;

use eframe::egui::{Align, Layout, Panel, RichText, Sense, Ui, UiBuilder};

use super::action::Action;
use super::app::State;
use super::message_bar;
use crate::app::panels::monitor::meter;
use crate::app::theme;
use crate::app::widgets::stage_bar::stage_words;
use crate::core::Secs;

/// Part of the width that is for the running job and the meter; the rest is for notifications.
const JOB_PART: f32 = 0.5;

/// Draws the status bar; returns the user's actions.
pub(super) fn ui(ui: &mut Ui, state: &State, has_monitor_line: bool, now: Instant) -> Vec<Action> {
    let mut actions = Vec::new();
    Panel::bottom("status").resizable(false).exact_size(theme::STATUS_HEIGHT).show(ui, |ui| {
        let (left, right) = ui.max_rect().split_left_right_at_fraction(JOB_PART);
        // the bar has its height whatever is in it, so that nothing above it moves
        ui.allocate_rect(ui.max_rect(), Sense::hover());
        let layout = Layout::left_to_right(Align::Center);
        let mut job = ui.new_child(UiBuilder::new().id_salt("job").max_rect(left).layout(layout));
        job.set_clip_rect(ui.clip_rect().intersect(left));
        job_ui(&mut job, state, has_monitor_line, now);
        let right = right.with_min_x(right.min.x + 8.0);
        let mut message = ui.new_child(UiBuilder::new().id_salt("message").max_rect(right).layout(layout));
        actions = message_bar::ui(&mut message, &state.notifications, now);
    });
    actions
}

/// The running job and the meter.
fn job_ui(ui: &mut Ui, state: &State, has_monitor_line: bool, now: Instant) {
    ui.spacing_mut().item_spacing.x = 18.0;
    match state.live.first() {
        Some((id, job)) => {
            let elapsed = Secs::from(now.saturating_duration_since(job.follower.started()));
            let left = job.follower.progress().remaining();
            let time = left.map_or_else(|| format!("{elapsed} so far"), |left| format!("{left} left"));
            let text = format!("Running job {id} · {} · {time}", stage_words(job.follower.progress()));
            ui.label(RichText::new(text).small());
        }
        None if state.queue_is_paused => {
            ui.label(RichText::new("The queue is paused").small());
        }
        None => {
            ui.label(RichText::new("Ready").small().weak());
        }
    }
    // the monitor's own line says the same
    if !has_monitor_line {
        ui.label(RichText::new(meter(state.measurements.view().snapshot)).small().weak());
    }
}
