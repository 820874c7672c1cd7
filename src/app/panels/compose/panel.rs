//! The form: what should be made.

use eframe::egui::{Context, ScrollArea, Ui};

use super::advanced::Advanced;
use super::fields::Fields;
use super::loras::LoraList;
use super::numbers::numbers_ui;
use super::prompt::{negative_ui, prompt_ui};
use super::time_limit;
use super::view::{ComposeAction, ComposeView};
use super::wells::Wells;
use super::{model, preset, router, seed, start};
use crate::app::background::inputs::InputWell;

/// Width of the scroll bar.
const SCROLL_BAR: f32 = 8.0;
/// Space between two rows.
const ROW_GAP: f32 = 4.0;

/// The form's own state: what is typed and not yet asked for, and what is unfolded.
#[derive(Default)]
pub(in crate::app) struct ComposePanel {
    loras: LoraList,
    wells: Wells,
    advanced: Advanced,
    /// The prompt gets the focus when it is drawn next.
    focuses_prompt: bool,
}

impl ComposePanel {
    /// Lets the next key go into the prompt.
    pub(in crate::app) fn focus_prompt(&mut self) {
        self.focuses_prompt = true;
    }

    /// Draws the form; says what the person changed or asked for.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &ComposeView<'_>) -> Vec<ComposeAction> {
        let mut actions = Vec::new();
        let mut draft = view.draft.clone();
        let generate = start::ui(ui, view, &mut draft, &mut actions);
        // the bar lies beside the controls, not on them
        let scroll = &mut ui.spacing_mut().scroll;
        (scroll.bar_width, scroll.floating_allocated_width) = (SCROLL_BAR, SCROLL_BAR);
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = ROW_GAP;
            // whose form it is, if it is a job's
            if let Some(editing) = view.editing {
                ui.heading(format!("Job {}", editing.job));
            }
            let reference_name =
                view.preset.map_or_else(|| "The model".to_owned(), |preset| format!("The preset {preset}"));
            let mut fields = Fields {
                draft: &mut draft,
                reference: view.reference,
                reference_name: &reference_name,
                problems: view.problems,
                devices: view.devices,
            };
            router::ui(ui, view, &mut actions);
            model::ui(ui, view, fields.draft, &mut actions);
            preset::ui(ui, view, &mut actions);
            let prompt = prompt_ui(ui, &mut fields, view);
            if std::mem::take(&mut self.focuses_prompt) {
                prompt.request_focus();
            }
            self.wells.ui(ui, &fields, view, &mut actions);
            ui.add_space(2.0);
            preset::heading_ui(ui, &mut fields);
            numbers_ui(ui, &mut fields, view);
            seed::ui(ui, fields.draft, view, &mut actions);
            actions.extend(self.loras.ui(ui, fields.draft, view));
            negative_ui(ui, &mut fields, view);
            self.advanced.ui(ui, &mut fields, |ui| time_limit::ui(ui, view, &mut actions));
        });
        let blocked = start::blocked_by(view).is_some();
        if draft != *view.draft {
            // what was asked for at the same time comes after it
            actions.insert(0, ComposeAction::Edit(Box::new(draft.clone())));
        }
        if generate && !blocked {
            let draft = Box::new(draft);
            actions.push(if start::saved(view).is_some() {
                ComposeAction::SaveJob(draft)
            } else {
                ComposeAction::Generate(draft)
            });
        }
        actions
    }

    /// The image well under the pointer.
    pub(in crate::app) fn well_under_pointer(&self, ctx: &Context) -> Option<InputWell> {
        self.wells.under_pointer(ctx)
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use eframe::egui::vec2;
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, drawing, harness};
    use crate::app::panels::compose::view::{Editing, PreflightView, TokenCounts};
    use crate::app::shell::command::Command;
    use crate::app::shell::layout::PanelId;
    use crate::core::Draft;
    use crate::jobs::JobId;

    fn form(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        let mut panel = ComposePanel::default();
        harness(bench, move |ui, view| panel.ui(ui, view))
    }

    #[test]
    fn snapshot_of_the_form() {
        use crate::core::{Bytes, Stage};
        use crate::preflight::StageMemory;
        let stage = |stage, mib: u64| StageMemory { stage, peak: Bytes(mib << 20), droppable: Bytes(0) };
        let found = PreflightView {
            peak: Some(Bytes(17 << 30)),
            free: Some(Bytes(22 << 30)),
            stages: vec![
                stage(Stage::Text, 6144),
                stage(Stage::DenoiseHigh, 17408),
                stage(Stage::Decode, 7270),
            ],
            runs_on: "CPU".into(),
            ..PreflightView::default()
        };
        let tokens = Some(TokenCounts { prompt: 38, negative: 1 });
        let mut bench = ComposeHarness { preflight: Some(Ok(found)), tokens, ..ComposeHarness::new() };
        bench.draft.steps = 12;
        let mut panel = ComposePanel::default();
        let mut draw = drawing(move |ui, view| panel.ui(ui, view));
        crate::app::snapshots::compare("compose", vec2(330.0, 720.0), |ui| draw(ui, &mut bench));
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
    fn an_error_moves_no_field_and_is_said_once() {
        let place = |bench: ComposeHarness| {
            let harness = form(bench);
            let words = harness.query_all_by_label_contains("Set 13 or 17 frames").count();
            (harness.get_by_role_and_label(Role::SpinButton, "Steps").rect(), words)
        };
        let mut bench = ComposeHarness::new();
        bench.draft.frames = 16;
        let ((before, none), (after, one)) = (place(ComposeHarness::new()), place(bench));
        assert_eq!((before, none, one), (after, 0, 1));
    }

    #[test]
    fn without_any_model_the_form_leads_to_them_and_names_none() {
        let mut harness = form(ComposeHarness { has_models: false, ..ComposeHarness::new() });
        harness.get_by_label_contains("There is no model on this machine yet");
        assert!(harness.query_all_by_label_contains("toy-t2v-A14B is not installed").next().is_none());
        harness.get_by_role_and_label(Role::Button, "Get a model…").click();
        harness.run();
        let shown = ComposeAction::Command(Command::ShowPanel(PanelId::Models));
        assert_eq!(harness.state().actions, [shown]);
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
        // the button under the pointer gets no other meaning
        let save = harness.get_by_role_and_label(Role::Button, "Save job 7");
        assert!(save.accesskit_node().is_disabled());
        assert!(harness.query_by_role_and_label(Role::Button, "Generate").is_none());
        harness.get_by_role_and_label(Role::Button, "Make another one").click();
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
            figures: Vec::new(),
        };
        let looked = PreflightView { findings: vec![finding], ..PreflightView::default() };
        for preflight in [Ok(looked), Err(Error::new(Kind::Bug, long))] {
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
        let mut harness = form(ComposeHarness::new());
        harness.get_by_label("Advanced").click();
        harness.run();
        for name in [
            "Steps",
            "Guidance, high noise",
            "Guidance, low noise",
            "Width",
            "Height",
            "Frames",
            "Frames per second",
            "Flow shift",
        ] {
            harness.get_by_role_and_label(Role::SpinButton, name);
        }
        harness.get_by_role_and_label(Role::TextInput, "Seed");
    }
}
