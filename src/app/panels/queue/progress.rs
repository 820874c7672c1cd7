//! How the job stands: stage, step, time left; afterwards what came out or what went wrong.

use eframe::egui::{Align, Button, Label, Layout, ProgressBar, RichText, Ui};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_CANCEL, ICON_CHECK_CIRCLE, ICON_CLOSE, ICON_ERROR, ICON_WARNING};

use crate::app::shell::action::Action;
use crate::app::shell::command::Command;
use crate::app::shell::view::{AppView, RunState};
use crate::app::theme;
use crate::app::widgets::fix_button::{fix_button, offered};
use crate::app::widgets::icon::icon_button;
use crate::core::{Error, Outcome, Progress, Recovery, Secs};

/// Draws the strip; says what the person asked for.
pub(in crate::app) fn ui(ui: &mut Ui, view: &AppView<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    match view.run {
        RunState::Idle => {
            ui.weak("Ready. Write a prompt and press Generate");
        }
        RunState::Running { progress, started, note, stopping } => {
            let elapsed = Secs::from(view.now.saturating_duration_since(*started));
            let cancel = Command::Cancel.pressed(ui.ctx());
            if (running_ui(ui, progress, elapsed, *stopping) || cancel) && !stopping {
                actions.push(Action::Cancel);
            }
            if let Some(note) = note {
                ui.weak(note);
            }
        }
        RunState::Done(outcome) => done_ui(ui, outcome, &mut actions),
        RunState::Failed(error) => failed_ui(ui, error, view, &mut actions),
        RunState::Cancelled => {
            headline_ui(ui, ICON_CANCEL, ui.visuals().text_color(), "Cancelled", &mut actions);
        }
    }
    actions
}

/// True if the person wants it to stop.
fn running_ui(ui: &mut Ui, progress: &Progress, elapsed: Secs, stopping: bool) -> bool {
    let mut cancel = false;
    ui.horizontal(|ui| {
        ui.strong(stage_text(progress, stopping));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button = ui.add_enabled(!stopping, Button::new(Command::Cancel.text()));
            let button = button.on_hover_text(Command::Cancel.tooltip(ui.ctx()));
            cancel = button.on_disabled_hover_text("It stops as soon as it can").clicked();
            let left = progress.remaining().map(|left| format!("about {left} left"));
            ui.label(left.unwrap_or_else(|| "time left unknown yet".to_owned()));
            ui.weak(format!("{elapsed} so far"));
        });
    });
    ui.add(ProgressBar::new(progress.fraction() as f32).show_percentage());
    cancel
}

fn stage_text(progress: &Progress, stopping: bool) -> String {
    if stopping {
        return "Stopping…".to_owned();
    }
    match progress.stage() {
        None => "Starting…".to_owned(),
        Some((stage, _, 0 | 1)) => stage.to_string(),
        Some((stage, done, of)) => format!("{stage}, {done} of {of}"),
    }
}

fn done_ui(ui: &mut Ui, outcome: &Outcome, actions: &mut Vec<Action>) {
    let text = format!("Done in {}", outcome.generation_time_s);
    headline_ui(ui, ICON_CHECK_CIRCLE, theme::tokens(ui).good, &text, actions);
    let path = outcome.output.display().to_string();
    ui.add(Label::new(RichText::new(path).monospace()).truncate());
    for warning in &outcome.warnings {
        ui.horizontal(|ui| {
            let colour = theme::tokens(ui).warning;
            ui.label(ICON_WARNING.rich_text().color(colour));
            ui.add(Label::new(RichText::new(warning).color(colour)).wrap());
        });
    }
}

fn failed_ui(ui: &mut Ui, error: &Error, view: &AppView<'_>, actions: &mut Vec<Action>) {
    headline_ui(ui, ICON_ERROR, theme::tokens(ui).error, &error.message, actions);
    if let Some(cause) = std::error::Error::source(error) {
        ui.add(Label::new(format!("Why: {cause}")).wrap());
    }
    if let Some(remedy) = error.remedy_text() {
        ui.add(Label::new(format!("What now: {remedy}")).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        for recovery in error.kind.recovery() {
            let (text, action) = match recovery {
                Recovery::Retry => ("Try again", Action::Retry(None)),
                Recovery::OpenModels => ("Look for models again", Action::FindModels),
                // the remedy says it, there is nothing yet that a button could open
                _ => continue,
            };
            if ui.button(text).clicked() {
                actions.push(action);
            }
        }
        for change in offered(error.fixes(), view.draft, view.models) {
            if fix_button(ui, change, "Makes the video again with this change").clicked() {
                actions.push(Action::Retry(Some(change.clone())));
            }
        }
    });
}

/// What happened, with an icon, and a way to put it away.
fn headline_ui(
    ui: &mut Ui,
    icon: MaterialIcon,
    colour: eframe::egui::Color32,
    text: &str,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        ui.label(icon.rich_text().size(theme::ICON_SIZE).color(colour));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, ICON_CLOSE, "Dismiss", "Put this message away").clicked() {
                actions.push(Action::Dismiss);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(RichText::new(text).strong().color(colour)).wrap());
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use eframe::egui::{Key, accesskit::Role};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::fixture::{PanelHarness, harness};
    use crate::app::shell::command::Command;
    use crate::core::{Event, Fix, FrameCount, Kind, Seed, Stage};

    fn strip(run: RunState) -> Harness<'static, PanelHarness> {
        harness(PanelHarness { run, ..PanelHarness::new() }, super::ui)
    }

    fn running(stopping: bool) -> RunState {
        let mut progress = Progress::default();
        let stage = Stage::DenoiseHigh;
        for event in [
            Event::Started { seed: Seed(1), plan: vec![(stage, 20)] },
            Event::StageStarted { stage },
            Event::Step { stage, step: 5, of: 20, seconds: Secs(2.0) },
        ] {
            progress.observe(&event);
        }
        RunState::Running { progress, started: Instant::now(), note: None, stopping }
    }

    #[test]
    fn a_running_job_shows_its_step_and_can_be_cancelled() {
        let mut harness = strip(running(false));
        harness.get_by_label("Denoise, high noise, 5 of 20");
        harness.get_by_label("about 30 s left");
        harness.get_by_role_and_label(Role::Button, "Cancel").click();
        harness.run();
        let shortcut = Command::Cancel.shortcut();
        harness.key_press_modifiers(shortcut.modifiers, Key::Enter);
        harness.run();
        assert_eq!(harness.state().actions, [Action::Cancel, Action::Cancel]);
    }

    #[test]
    fn a_job_that_stops_is_not_asked_again() {
        let mut harness = strip(running(true));
        harness.get_by_label("Stopping…");
        assert!(harness.get_by_role_and_label(Role::Button, "Cancel").accesskit_node().is_disabled());
        harness.key_press_modifiers(Command::Cancel.shortcut().modifiers, Key::Enter);
        harness.run();
        assert_eq!(harness.state().actions, []);
    }

    #[test]
    fn what_may_mend_a_failure_is_a_click() {
        let change = Fix::Frames(FrameCount(5));
        let error =
            Error::new(Kind::OutOfMemory, "Memory ran out").with_fixes(vec![Fix::Retry, change.clone()]);
        let mut harness = strip(RunState::Failed(error));
        assert!(harness.query_by_label("Retry unchanged").is_none(), "that is what Try again does");
        harness.get_by_role_and_label(Role::Button, "Use 5 frames").click();
        harness.run();
        assert_eq!(harness.state().actions, [Action::Retry(Some(change))]);
    }

    #[test]
    fn a_failure_says_what_why_and_what_now() {
        let error = Error::new(Kind::OutOfMemory, "Memory ran out while decoding")
            .because(std::io::Error::other("12 GiB were asked for"))
            .remedy("Make the video smaller");
        let mut harness = strip(RunState::Failed(error));
        harness.get_by_label("Memory ran out while decoding");
        harness.get_by_label("Why: 12 GiB were asked for");
        harness.get_by_label("What now: Make the video smaller");
        harness.get_by_role_and_label(Role::Button, "Try again").click();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Dismiss").click();
        harness.run();
        assert_eq!(harness.state().actions, [Action::Retry(None), Action::Dismiss]);
    }
}
