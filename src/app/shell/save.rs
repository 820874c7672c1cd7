//! Keeps the form, the layout and the rest of the window on disk, on a thread of its own.

use std::time::Instant;

use eframe::egui::Context;

use super::app::{App, State};
use super::layout;
use super::window_state::Due;
use crate::store::write_whole;

impl App {
    /// Writes what changed, a few seconds after the change.
    pub(super) fn save_when_due(&mut self, ctx: &Context, now: Instant) {
        let state = &mut self.state;
        while let Some(answer) = state.saving.poll() {
            if let Err(error) = answer.and_then(|saved| saved) {
                state.tell(&error);
            }
        }
        state.keep_form();
        match state.autosave.look(&state.window, now) {
            Due::No => {}
            Due::In(wait) => ctx.request_repaint_after(wait),
            Due::Now => {
                let (window, data_dir) = (state.window.clone(), state.data_dir.clone());
                state.saving.ask(move || window.save(&data_dir));
            }
        }
        let is_dragging = ctx.input(|input| input.pointer.any_down());
        if !is_dragging && let Some(text) = self.layout.unsaved() {
            let path = layout::path_in(&state.data_dir);
            state.saving.ask(move || write_whole(&path, text.as_bytes()));
        }
    }

    /// Writes all of it before the program ends.
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
    /// Takes the form and the shown video into what is kept. The form of a job that is edited is not the person's own.
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
