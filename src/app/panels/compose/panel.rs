//! The compose panel.

use eframe::egui::{Button, Frame, Panel, RichText, ScrollArea, Ui, vec2};

use super::loras::LoraList;
use super::numbers::{numbers_ui, sampling_ui, seed_ui};
use super::view::{ComposeAction, ComposeView};
use super::{compute, model, preflight, router};
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::field::{path_ui, problem_text_ui, problem_ui, text_ui};
use crate::core::{Draft, Error, Mode};
use crate::jobs::JobId;

/// Fields that show their errors themselves.
const FIELDS: [&str; 18] = [
    "model",
    "mode",
    "prompt",
    "negative_prompt",
    "start_image",
    "continue_from",
    "end_image",
    "steps",
    "guidance",
    "guidance_low",
    "size",
    "frames",
    "fps",
    "shift",
    "provider",
    "precision",
    "vae_tile",
    "lora",
];

/// The view state of the compose panel.
#[derive(Default)]
pub(in crate::app) struct ComposePanel {
    loras: LoraList,
    /// The prompt gets the focus when it is drawn next.
    focuses_prompt: bool,
}

impl ComposePanel {
    /// Lets the next key go into the prompt.
    pub(in crate::app) fn focus_prompt(&mut self) {
        self.focuses_prompt = true;
    }

    /// Draws the form; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &ComposeView<'_>) -> Vec<ComposeAction> {
        let mut actions = Vec::new();
        let mut draft = view.draft.clone();
        let mut generate = false;
        // always visible, independent of the form's length
        Panel::bottom("start").resizable(false).show_separator_line(false).frame(Frame::NONE).show(
            ui,
            |ui| {
                ui.add_space(6.0);
                other_problems_ui(ui, view.problems);
                generate = generate_ui(ui, view, &mut actions);
                ScrollArea::vertical().id_salt("preflight").max_height(theme::PREFLIGHT_HEIGHT).show(
                    ui,
                    |ui| {
                        actions.extend(preflight::ui(ui, view, &mut draft));
                    },
                );
                ui.add_space(6.0);
            },
        );
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            heading_ui(ui, view);
            router::ui(ui, view, &mut actions);
            model::ui(ui, view, &mut actions);
            let prompt = text_ui(ui, "Prompt", "prompt", &mut draft.prompt, 5, view.problems);
            if std::mem::take(&mut self.focuses_prompt) {
                prompt.request_focus();
            }
            text_ui(ui, "Negative prompt", "negative_prompt", &mut draft.negative_prompt, 2, view.problems);
            images_ui(ui, &mut draft, view);
            ui.add_space(4.0);
            numbers_ui(ui, &mut draft, view);
            actions.extend(seed_ui(ui, &mut draft, view.seed_mode).map(ComposeAction::SeedMode));
            sampling_ui(ui, &mut draft, view.problems);
            compute::ui(ui, &mut draft, view.problems);
            actions.extend(self.loras.ui(ui, &mut draft, view));
        });
        let blocked = blocked_by(view).is_some();
        if draft != *view.draft {
            actions.push(ComposeAction::Edit(Box::new(draft.clone())));
        }
        if generate && !blocked {
            let draft = Box::new(draft);
            actions.push(if saved(view).is_some() {
                ComposeAction::SaveJob(draft)
            } else {
                ComposeAction::Generate(draft)
            });
        }
        actions
    }
}

/// Shows which job is being edited.
fn heading_ui(ui: &mut Ui, view: &ComposeView<'_>) {
    if let Some(editing) = view.editing {
        ui.heading(format!("Job {}", editing.job));
    }
}

/// Errors that are not shown at a field.
fn other_problems_ui(ui: &mut Ui, problems: &[Error]) {
    for problem in problems.iter().filter(|problem| !FIELDS.contains(&problem.field_name().unwrap_or(""))) {
        problem_text_ui(ui, problem);
    }
}

/// The reason why the form cannot be submitted.
fn blocked_by(view: &ComposeView<'_>) -> Option<String> {
    let problem = view.problems.first().map(|problem| format!("{problem:#}"));
    problem.or_else(|| preflight::blocked_by(view))
}

/// The job that the form is saved to; `None` if it has started to run, so that the form makes a new job.
fn saved(view: &ComposeView<'_>) -> Option<JobId> {
    view.editing.filter(|editing| editing.locked_reason.is_none()).map(|editing| editing.job)
}

fn generate_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) -> bool {
    let blocked = blocked_by(view);
    let (name, about) = match saved(view) {
        Some(job) => (format!("Save job {job}"), "Give the job this form"),
        // while a job runs, the next one is queued
        None if view.is_busy => ("Add to queue".to_owned(), Command::Generate.about()),
        None => (Command::Generate.text().to_owned(), Command::Generate.about()),
    };
    let about = Command::Generate.tooltip_with(ui.ctx(), about);
    let Some(editing) = view.editing else { return main_button_ui(ui, &name, about, blocked) };
    if let Some(locked_reason) = &editing.locked_reason {
        let text = format!("{locked_reason}. This form would make another one");
        ui.label(RichText::new(text).color(theme::tokens(ui).warning));
    }
    ui.columns_const(|[left, right]| {
        let pressed = main_button_ui(left, &name, about, blocked);
        let leave = Button::new("Leave it as it was").min_size(vec2(0.0, theme::MAIN_BUTTON_HEIGHT));
        let leave = right.vertical_centered_justified(|ui| ui.add(leave)).inner;
        if leave.on_hover_text("The form goes back to what was in it before").clicked() {
            actions.push(ComposeAction::LeaveJob);
        }
        pressed
    })
}

/// The button that submits the form, with the reason if it is disabled; returns whether it was pressed.
fn main_button_ui(ui: &mut Ui, name: &str, about: String, blocked: Option<String>) -> bool {
    let tokens = theme::tokens(ui);
    let text = RichText::new(name).strong().size(15.0);
    let button = match blocked {
        Some(_) => Button::new(text),
        None => Button::new(text.color(tokens.on_accent)).fill(tokens.accent),
    };
    let button = button.min_size(vec2(ui.available_width(), theme::MAIN_BUTTON_HEIGHT));
    let response = ui.vertical_centered_justified(|ui| ui.add_enabled(blocked.is_none(), button)).inner;
    let response = match blocked {
        Some(reason) => response.on_disabled_hover_text(reason),
        None => response.on_hover_text(about),
    };
    response.clicked()
}

/// Start and end image, if the model supports them.
fn images_ui(ui: &mut Ui, draft: &mut Draft, view: &ComposeView<'_>) {
    let chosen = view.models.iter().find(|model| model.id == draft.model);
    let modes = chosen.and_then(|model| model.limits.as_ref().ok()).map_or(&[][..], |limits| &limits.modes);
    let takes = |mode| modes.contains(&mode);
    if takes(Mode::I2V) || takes(Mode::TI2V) || draft.starts_from_image() {
        path_ui(ui, "Start image", &mut draft.start_image);
        problem_ui(ui, "start_image", view.problems);
        path_ui(ui, "Go on from clip", &mut draft.continue_from);
        problem_ui(ui, "continue_from", view.problems);
    }
    if takes(Mode::I2V) || draft.end_image.is_some() {
        path_ui(ui, "End image", &mut draft.end_image);
        problem_ui(ui, "end_image", view.problems);
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::app::panels::compose::view::{Editing, PreflightView};

    fn form(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        let mut panel = ComposePanel::default();
        harness(bench, move |ui, view| panel.ui(ui, view))
    }

    #[test]
    fn a_typed_prompt_is_generated() {
        let mut bench = ComposeHarness::new();
        bench.draft.prompt.clear();
        let mut harness = form(bench);
        harness.get_by_label("Prompt").focus();
        harness.run();
        harness.get_by_label("Prompt").type_text("a blue square");
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Generate").click();
        harness.run();
        let Some(ComposeAction::Generate(draft)) = harness.state().actions.last() else {
            panic!("{:?}", harness.state().actions)
        };
        assert_eq!(draft.prompt, "a blue square");
    }

    #[test]
    fn a_form_that_cannot_run_says_why_and_does_not_run() {
        let mut bench = ComposeHarness::new();
        bench.draft.frames = 16;
        let harness = form(bench);
        harness.get_by_label_contains("Set 13 or 17 frames");
        let button = harness.get_by_role_and_label(Role::Button, "Generate");
        assert!(button.accesskit_node().is_disabled());
    }

    #[test]
    fn while_a_video_is_made_the_next_one_is_queued() {
        let mut bench = ComposeHarness::new();
        bench.is_busy = true;
        let mut harness = form(bench);
        let draft = harness.state().draft.clone();
        harness.get_by_role_and_label(Role::Button, "Add to queue").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::Generate(Box::new(draft))]);
    }

    #[test]
    fn a_job_that_is_edited_is_saved_or_left() {
        let mut bench = ComposeHarness::new();
        bench.editing = Some(Editing { job: JobId(7), locked_reason: None });
        let mut harness = form(bench);
        let draft = Box::new(harness.state().draft.clone());
        assert!(harness.query_by_role_and_label(Role::Button, "Generate").is_none());
        harness.get_by_role_and_label(Role::Button, "Save job 7").click();
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Leave it as it was").click();
        harness.run();
        let saved = ComposeAction::SaveJob(draft);
        assert_eq!(harness.state().actions, [saved, ComposeAction::LeaveJob]);
    }

    #[test]
    fn the_form_of_a_job_that_began_to_run_makes_another_one() {
        let mut bench = ComposeHarness::new();
        bench.editing = Some(Editing { job: JobId(7), locked_reason: Some("Job 7 runs now".into()) });
        let mut harness = form(bench);
        harness.get_by_label("Job 7 runs now. This form would make another one");
        assert!(harness.query_by_role_and_label(Role::Button, "Save job 7").is_none());
        harness.get_by_role_and_label(Role::Button, "Generate").click();
        harness.run();
        let draft = Box::new(harness.state().draft.clone());
        assert_eq!(harness.state().actions, [ComposeAction::Generate(draft)]);
    }

    #[test]
    fn an_error_without_a_field_is_shown_too() {
        let mut bench = ComposeHarness::new();
        bench.draft.step_list = Some(crate::core::StepList(vec![1000.0, 500.0]));
        bench.draft.steps = 7;
        let harness = form(bench);
        let button = harness.get_by_role_and_label(Role::Button, "Generate");
        assert!(button.accesskit_node().is_disabled());
        harness.get_by_label_contains("7");
    }

    #[test]
    fn no_row_is_wider_than_the_form() {
        use crate::core::{Error, Finding, Kind, LoraChoice, Severity, Subject};
        let long = "a sentence that is longer than the form is wide ".repeat(3);
        let finding = Finding {
            severity: Severity::Warning,
            subject: Subject::Memory,
            message: long.clone(),
            fixes: Vec::new(),
        };
        let found = PreflightView { peak: None, free: None, time: None, findings: vec![finding] };
        for preflight in [Ok(found), Err(Error::new(Kind::Bug, long))] {
            let mut bench = ComposeHarness { preflight: Some(preflight), ..ComposeHarness::new() };
            bench.draft.loras =
                vec![LoraChoice::new("a-rather-long-name-of-a-lora-for-this-form.safetensors")];
            bench.editing = Some(Editing { job: JobId(7), locked_reason: None });
            let mut width = 0.0;
            let mut panel = ComposePanel::default();
            let mut harness = harness(bench, |ui, view| {
                let shown = ui.allocate_ui(vec2(300.0, 1400.0), |ui| panel.ui(ui, view));
                width = shown.response.rect.width();
                shown.inner
            });
            harness.set_size(vec2(420.0, 1400.0));
            harness.run();
            drop(harness);
            assert!(width <= 300.0, "{width}");
        }
    }

    #[test]
    fn the_dice_change_only_the_seed() {
        let mut harness = form(ComposeHarness::new());
        let before = harness.state().draft.clone();
        harness.get_by_role_and_label(Role::Button, "Random seed").click();
        harness.run();
        let after = harness.state().draft.clone();
        assert_ne!(after.seed, before.seed);
        assert_eq!(Draft { seed: before.seed, ..after }, before);
    }

    #[test]
    fn every_number_can_be_found_by_its_name() {
        let harness = form(ComposeHarness::new());
        for name in [
            "Steps",
            "Guidance, high noise",
            "Guidance, low noise",
            "Width",
            "Height",
            "Frames",
            "Frames per second",
            "Flow shift",
            "Seed",
        ] {
            harness.get_by_role_and_label(Role::SpinButton, name);
        }
    }
}
