//! Saves the form, layout and other window state on a background thread.

use std::time::Instant;

use eframe::egui::Context;

use super::app::{App, State};
use super::layout;
use super::window_state::Due;
use crate::store::write_whole;

impl App {
    /// Saves changes a few seconds after they were made.
    pub(super) fn save_when_due(&mut self, ctx: &Context, now: Instant) {
        let state = &mut self.state;
        while let Some(answer) = state.saving.poll() {
            if let Err(error) = answer.and_then(|saved| saved) {
                state.report_error(&error);
            }
        }
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

    /// Saves everything before the program ends.
    pub(super) fn save_now(&mut self) {
        let state = &mut self.state;
        state.keep_form();
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
