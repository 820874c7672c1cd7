//! The numbers of the form: size, length, sampling, seed.

use eframe::egui::{Align, ComboBox, DragValue, Layout, Response, Ui};
use egui_material_icons::icons::ICON_CASINO;

use super::model::has_two_experts;
use super::view::ComposeView;
use crate::app::form::SeedMode;
use crate::app::shell::command::Command;
use crate::app::widgets::field::{noted_row_ui, problem_ui, row_ui};
use crate::app::widgets::icon::icon_button;
use crate::core::{Draft, Error, Sampler, Seed};

/// Tooltip of the guidance scale.
const GUIDANCE: &str = "How closely the prompt is followed; 1 switches guidance off and halves the work";

/// Draws steps, size and length.
pub(in crate::app) fn numbers_ui(ui: &mut Ui, draft: &mut Draft, view: &ComposeView<'_>) {
    let problems = view.problems;
    row_ui(ui, "Steps", "Denoising steps: more take longer and follow the prompt better", |ui| {
        ui.add(DragValue::new(&mut draft.steps).range(0..=1000).speed(0.2))
    });
    problem_ui(ui, "steps", problems);
    if draft.guidance_low.is_some() || has_two_experts(view) {
        experts_guidance_ui(ui, draft);
    } else {
        row_ui(ui, "Guidance", GUIDANCE, |ui| ui.add(guidance(&mut draft.guidance)));
    }
    problem_ui(ui, "guidance", problems);
    problem_ui(ui, "guidance_low", problems);
    row_ui(ui, "Width", "Width of the video", |ui| {
        ui.add(DragValue::new(&mut draft.size.width).range(0..=8192).suffix(" px"))
    });
    row_ui(ui, "Height", "Height of the video", |ui| {
        ui.add(DragValue::new(&mut draft.size.height).range(0..=8192).suffix(" px"))
    });
    problem_ui(ui, "size", problems);
    let seconds = f64::from(draft.frames) / f64::from(draft.fps.max(1));
    let length = format!("{seconds:.1} s of video");
    noted_row_ui(ui, "Frames", &length, "Length of the video", |ui| {
        ui.add(DragValue::new(&mut draft.frames).range(0..=4096).speed(0.2))
    });
    problem_ui(ui, "frames", problems);
    row_ui(
        ui,
        "Frames per second",
        "How fast the video plays; the model was trained for its preset's",
        |ui| ui.add(DragValue::new(&mut draft.fps).range(0..=240).speed(0.1)),
    );
    problem_ui(ui, "fps", problems);
}

/// The guidance of both experts in one row; the low-noise expert uses the other's value until it is set.
fn experts_guidance_ui(ui: &mut Ui, draft: &mut Draft) {
    let mut low = draft.guidance_low.unwrap_or(draft.guidance);
    ui.horizontal(|ui| {
        ui.label("Guidance high · low").on_hover_text(GUIDANCE);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let about = "Guidance of the low-noise expert, which draws the details";
            if named(&ui.add(guidance(&mut low)).on_hover_text(about), "Guidance, low noise").changed() {
                draft.guidance_low = Some(low);
            }
            let about = "Guidance of the high-noise expert, which draws the large shapes and the motion";
            named(&ui.add(guidance(&mut draft.guidance)).on_hover_text(about), "Guidance, high noise");
        });
    });
}

fn guidance(value: &mut f32) -> DragValue<'_> {
    DragValue::new(value).range(0.0..=50.0).speed(0.05).max_decimals(2)
}

/// Names a control that has no label of its own.
fn named<'a>(response: &'a Response, name: &str) -> &'a Response {
    response.ctx.accesskit_node_builder(response.id, |node| node.set_label(name));
    response
}

/// Sampling settings: sampler and flow shift.
pub(in crate::app) fn sampling_ui(ui: &mut Ui, draft: &mut Draft, problems: &[Error]) {
    row_ui(ui, "Sampler", "How a step is computed from the model's prediction", |ui| {
        ComboBox::from_id_salt("sampler")
            .selected_text(draft.sampler.label())
            .show_ui(ui, |ui| {
                for sampler in Sampler::ALL {
                    ui.selectable_value(&mut draft.sampler, sampler, sampler.label());
                }
            })
            .response
    });
    let shift = "Flow shift: higher spends more steps on the large shapes and motion, lower on the details";
    row_ui(ui, "Flow shift", shift, |ui| {
        ui.add(DragValue::new(&mut draft.shift).range(0.0..=100.0).speed(0.05).max_decimals(2))
    });
    problem_ui(ui, "shift", problems);
}

/// The seed, and how the next one is chosen.
pub(in crate::app) fn seed_ui(ui: &mut Ui, draft: &mut Draft, mode: SeedMode) -> Option<SeedMode> {
    let (mut another, mut chosen) = (false, None);
    row_ui(ui, "Seed", "Starting noise: the same seed and settings give the same video", |ui| {
        let tooltip = Command::RandomSeed.tooltip(ui.ctx());
        another = icon_button(ui, ICON_CASINO, Command::RandomSeed.text(), &tooltip).clicked();
        let is_random = mode == SeedMode::Random;
        let about = "A new random seed for each video; otherwise the seed shown here";
        if ui.selectable_label(is_random, "random").on_hover_text(about).clicked() {
            chosen = Some(if is_random { SeedMode::Fixed } else { SeedMode::Random });
        }
        ui.add(DragValue::new(&mut draft.seed))
    });
    if another {
        draft.seed = Seed::random().0;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::app::panels::compose::view::ComposeAction;

    fn numbers(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        harness(bench, |ui, view| {
            let mut draft = view.draft.clone();
            numbers_ui(ui, &mut draft, view);
            if draft == *view.draft { Vec::new() } else { vec![ComposeAction::Edit(Box::new(draft))] }
        })
    }

    #[test]
    fn the_length_in_seconds_stands_beside_the_frames() {
        let mut bench = ComposeHarness::new();
        (bench.draft.frames, bench.draft.fps) = (17, 8);
        let harness = numbers(bench);
        let frames = harness.get_by_role_and_label(Role::SpinButton, "Frames").rect();
        let length = harness.get_by_label("2.1 s of video").rect();
        assert!((frames.center().y - length.center().y).abs() < 2.0);
    }

    #[test]
    fn each_expert_has_its_own_guidance() {
        let mut bench = ComposeHarness::new();
        bench.draft.guidance = 4.0;
        let mut harness = numbers(bench);
        harness.get_by_label("Guidance high · low");
        let low = harness.get_by_role_and_label(Role::SpinButton, "Guidance, low noise");
        assert_eq!(low.value().as_deref(), Some("4.00"), "it follows the high-noise expert");
        low.focus();
        harness.run();
        harness.key_press(eframe::egui::Key::ArrowUp);
        harness.run();
        let draft = &harness.state().draft;
        assert!(draft.guidance_low.is_some_and(|low| low > 4.0), "{:?}", draft.guidance_low);
        assert!((draft.guidance - 4.0).abs() < f32::EPSILON);
    }

    #[test]
    fn one_expert_has_one_guidance() {
        let mut bench = ComposeHarness::new();
        bench.draft.model = "toy-i2v-5B".into();
        let harness = numbers(bench);
        harness.get_by_role_and_label(Role::SpinButton, "Guidance");
    }
}
