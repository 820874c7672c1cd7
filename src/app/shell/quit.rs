//! Closing the window while a job runs: a dialog asks what to do with the job.

use eframe::egui::{Context, Id, Modal, RichText, ViewportCommand};

use super::app::State;
use crate::app::theme;

/// The state of closing the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) enum Quit {
    /// Not closing.
    #[default]
    No,
    /// The dialog is open.
    Asked,
    /// Closes after the current step.
    AfterStep,
    /// The step is done, so the window can close.
    StepDone,
    /// Closes immediately.
    Now,
}

/// Handles a request to close the window; opens the dialog if a job runs.
pub(super) fn update(ctx: &Context, state: &mut State) {
    if ctx.input(|input| input.viewport().close_requested()) {
        if state.quit != Quit::Now && !state.live.is_empty() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            state.quit = Quit::Asked;
        } else {
            state.quit = Quit::Now;
        }
    }
    let waits = matches!(state.quit, Quit::AfterStep | Quit::StepDone);
    if waits && (state.quit == Quit::StepDone || state.live.is_empty()) {
        close(ctx, state);
    }
}

/// Closes the window. A running job is stopped and resumes from its last step at the next start.
pub(super) fn close(ctx: &Context, state: &mut State) {
    state.quit = Quit::Now;
    ctx.send_viewport_cmd(ViewportCommand::Close);
}

/// Draws the dialog if it is open; returns whether the running job should be cancelled.
pub(super) fn ui(ctx: &Context, state: &mut State) -> bool {
    if state.quit != Quit::Asked {
        return false;
    }
    let Some((id, _)) = state.live.first() else {
        close(ctx, state);
        return false;
    };
    let (mut answer, mut cancels) = (Quit::Asked, false);
    let modal = Modal::new(Id::unique("quit")).show(ctx, |ui| {
        ui.set_width(theme::DIALOG_WIDTH);
        ui.label(RichText::new(format!("Job {id} is running")).strong());
        ui.label("What waits in the queue is kept in any case");
        ui.vertical_centered_justified(|ui| {
            let about = "It stops now and goes on from its last step when Wandeck is open again";
            if ui.button("Keep it for next time").on_hover_text(about).clicked() {
                answer = Quit::Now;
            }
            let about = "The step that is being computed is not lost; the window closes when it is done";
            if ui.button("Keep it, close after this step").on_hover_text(about).clicked() {
                answer = Quit::AfterStep;
            }
            if ui.button("Cancel it and quit now").clicked() {
                (answer, cancels) = (Quit::Now, true);
            }
            if ui.button("Stay").clicked() {
                answer = Quit::No;
            }
        });
    });
    if modal.should_close() && answer == Quit::Asked {
        answer = Quit::No;
    }
    state.quit = answer;
    if answer == Quit::Now && !cancels {
        close(ctx, state);
    }
    cancels
}
