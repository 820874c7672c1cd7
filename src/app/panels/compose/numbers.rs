//! The form's numbers: how large, how long, how the steps are made, from which noise.

use eframe::egui::{ComboBox, DragValue, Ui};
use egui_material_icons::icons::ICON_CASINO;

use crate::app::shell::command::Command;
use crate::app::shell::window_state::SeedMode;
use crate::app::widgets::field::{problem_ui, row_ui};
use crate::app::widgets::icon::icon_button;
use crate::core::{Draft, Error, Sampler, Seed};

pub(in crate::app) fn numbers_ui(ui: &mut Ui, draft: &mut Draft, problems: &[Error]) {
    row_ui(ui, "Steps", "Denoising steps: more take longer and follow the prompt better", |ui| {
        ui.add(DragValue::new(&mut draft.steps).range(0..=1000).speed(0.2))
    });
    problem_ui(ui, "steps", problems);
    let guidance = "How closely the prompt is followed; 1 switches guidance off and halves the work";
    row_ui(ui, "Guidance", guidance, |ui| {
        ui.add(DragValue::new(&mut draft.guidance).range(0.0..=50.0).speed(0.05).max_decimals(2))
    });
    if let Some(low) = &mut draft.guidance_low {
        row_ui(ui, "Guidance, low noise", "Guidance of the second expert, which draws the details", |ui| {
            ui.add(DragValue::new(low).range(0.0..=50.0).speed(0.05).max_decimals(2))
        });
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
    row_ui(ui, "Frames", "Length of the video", |ui| {
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
    let seconds = f64::from(draft.frames) / f64::from(draft.fps.max(1));
    ui.weak(format!("{seconds:.1} s of video"));
}

/// How the steps are made; a preset's are good to begin with.
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

/// The seed, and where the next one comes from.
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
