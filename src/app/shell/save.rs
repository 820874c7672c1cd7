//! Saves the form, layout and other window state on a background thread.

use std::time::{Duration, Instant};

use eframe::egui::{Context, Event};

use super::app::{App, State};
use super::layout;
use super::window_state::Due;
use crate::store::write_whole;

/// How often egui's own state is saved at most: what is scrolled and unfolded. It is saved after a frame, so a window in
/// which something was scrolled draws one more.
pub(super) const VIEW_SAVED: Duration = Duration::from_secs(3);
/// By how much that frame is later, so that the state is due.
const FRAME: Duration = Duration::from_millis(200);

impl App {
    /// Saves changes a few seconds after they were made.
    pub(super) fn save_when_due(&mut self, ctx: &Context, now: Instant) {
        let state = &mut self.state;
        while let Some(answer) = state.saving.poll() {
            if let Err(error) = answer.and_then(|saved| saved) {
                state.report_error(&error);
            }
        }
        self.keep_selection();
        self.keep_view(ctx, now);
        let state = &mut self.state;
        state.keep_form();
        match state.autosave.due(&state.window, now) {
            Due::No => {}
            Due::In(wait) => ctx.request_repaint_after(wait),
            Due::Now => {
                let (window, data_dir) = (state.window.clone(), state.data_dir.clone());
                state.saving.submit(move || window.save(&data_dir));
            }
        }
        let is_dragging = ctx.input(|input| input.pointer.any_down());
        if !is_dragging && let Some(text) = self.layout.unsaved() {
            let path = layout::path_in(&state.data_dir);
            state.saving.submit(move || write_whole(&path, text.as_bytes()));
        }
    }

    /// Has one more frame drawn after something was scrolled or unfolded, so that it is saved.
    fn keep_view(&mut self, ctx: &Context, now: Instant) {
        let is_change = |event: &Event| {
            matches!(event, Event::MouseWheel { .. } | Event::PointerButton { .. } | Event::Key { .. })
        };
        if ctx.input(|input| input.events.iter().any(is_change)) {
            self.view_changed.get_or_insert(now);
        }
        if let Some(changed) = self.view_changed {
            let left = VIEW_SAVED.checked_sub(now.saturating_duration_since(changed));
            match left {
                Some(left) => ctx.request_repaint_after(left + FRAME),
                None => self.view_changed = None,
            }
        }
    }

    /// Copies what is selected to the saved state.
    fn keep_selection(&mut self) {
        let window = &mut self.state.window;
        let (jobs, results) = (self.panels.queue.selected(), self.panels.gallery.selected());
        if window.selected_jobs != *jobs {
            window.selected_jobs.clone_from(jobs);
        }
        if window.selected_results != *results {
            window.selected_results.clone_from(results);
        }
    }

    /// Saves everything before the program ends.
    pub(super) fn save_now(&mut self) {
        self.keep_selection();
        let state = &mut self.state;
        state.keep_form();
        // an earlier state that is still being written must not come after this one
        for saved in state.saving.complete() {
            if let Err(error) = saved.and_then(|saved| saved) {
                tracing::error!("{error:#}");
            }
        }
        let layout = self.layout.unsaved();
        let layout = layout.map(|text| write_whole(&layout::path_in(&state.data_dir), text.as_bytes()));
        for done in [state.window.save(&state.data_dir)].into_iter().chain(layout) {
            if let Err(error) = done {
                tracing::error!("{error:#}");
            }
        }
    }
}

impl State {
    /// Copies the form and the shown video to the saved state. While a job is edited, the form from before is saved
    /// instead.
    fn keep_form(&mut self) {
        let is_kept =
            self.window.draft.as_ref() == Some(&self.form.draft) && self.window.form == self.form.context;
        if !is_kept && self.form.is_scanned() {
            let own = self.form.own_state();
            (self.window.draft, self.window.form) = (Some(own.draft), own.context);
        }
        let video = &self.player.screen().path;
        if self.window.video != *video {
            self.window.video.clone_from(video);
        }
    }
}
