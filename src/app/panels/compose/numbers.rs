//! The form's basic numbers: how large, how long, how many steps, how closely the prompt is followed.

use std::ops::RangeInclusive;

use eframe::egui::{DragValue, Response, Ui};
use egui_material_icons::icons::ICON_ASPECT_RATIO;

use super::fields::{Fields, RowLabel};
use super::model::has_two_experts;
use super::view::ComposeView;
use crate::core::{Draft, Resolution};
use crate::plan::{DraftField, ParameterRange};

/// What guidance does.
const GUIDANCE: &str = "How closely the prompt is followed; 1 switches guidance off and halves the work";

/// Draws how large, how long, how many steps and how closely the prompt is followed.
pub(super) fn numbers_ui(ui: &mut Ui, fields: &mut Fields<'_>, view: &ComposeView<'_>) {
    size_ui(ui, fields, view);
    let frames_range = view.profile.map(|profile| profile.frames);
    let seconds = f64::from(fields.draft.frames) / f64::from(fields.draft.fps.max(1));
    let label = RowLabel {
        name: "Frames",
        note: &format!("{seconds:.1} s of video"),
        about: &with_range("Length of the video", frames_range, view),
    };
    let frames_limits = range(frames_range, 0..=4096);
    fields.row_ui(ui, label, DraftField::Frames, &["frames"], |ui, draft| {
        Some(ui.add(
            DragValue::new(&mut draft.frames).range(frames_limits).clamp_existing_to_range(false).speed(0.2),
        ))
    });
    let steps_range = view.profile.map(|profile| profile.step_range(fields.draft));
    let label = RowLabel {
        name: "Steps",
        note: &steps_range.map(|range| range.words()).unwrap_or_default(),
        about: &with_range(
            "Denoising steps: more take longer and follow the prompt better",
            steps_range,
            view,
        ),
    };
    let steps_limits = range(steps_range, 0..=1000);
    fields.row_ui(ui, label, DraftField::Steps, &["steps"], |ui, draft| {
        Some(ui.add(
            DragValue::new(&mut draft.steps).range(steps_limits).clamp_existing_to_range(false).speed(0.2),
        ))
    });
    guidance_ui(ui, fields, view);
}

/// The range of a control: the mode's if it has one. Values outside can still be typed, and are explained then.
fn range(of_mode: Option<ParameterRange>, otherwise: RangeInclusive<u32>) -> RangeInclusive<u32> {
    of_mode.map_or(otherwise, |range| range.least..=range.most)
}

/// A tooltip with what the mode takes: "Length of the video. t2v-A14B takes 1 to 1000, 1 to 81 are advised".
fn with_range(about: &str, range: Option<ParameterRange>, view: &ComposeView<'_>) -> String {
    let (Some(range), Some(profile)) = (range, view.profile) else { return about.to_owned() };
    let (low, high) = range.advised;
    format!(
        "{about}. {} takes {} to {}; {low} to {high} are advised",
        profile.name(),
        range.least,
        range.most
    )
}

/// Width, height, and the sizes that the mode is made for.
fn size_ui(ui: &mut Ui, fields: &mut Fields<'_>, view: &ComposeView<'_>) {
    let names = view.profile.map(|profile| profile.size_names()).unwrap_or_default();
    let about = match view.profile {
        Some(profile) => format!("Width and height in pixels. {} takes {names}", profile.name()),
        None => "Width and height in pixels".to_owned(),
    };
    let label = RowLabel { name: "Size", note: "", about: &about };
    fields.row_ui(ui, label, DraftField::Size, &["size"], |ui, draft| {
        let menu = ui.menu_button(ICON_ASPECT_RATIO.rich_text().size(16.0), |ui| sizes_ui(ui, draft, view));
        named(&menu.response.on_hover_text("Sizes that the mode is made for, upright or wide"), "Sizes");
        let side = |value| DragValue::new(value).range(0..=8192).suffix(" px");
        named(&ui.add(side(&mut draft.size.height)).on_hover_text(&about), "Height");
        ui.label("×");
        named(&ui.add(side(&mut draft.size.width)).on_hover_text(&about), "Width");
        None
    });
}

fn sizes_ui(ui: &mut Ui, draft: &mut Draft, view: &ComposeView<'_>) {
    let mut offer = |ui: &mut Ui, text: String, size: Resolution| {
        if ui.selectable_label(draft.size == size, text).clicked() {
            draft.size = size;
            ui.close();
        }
    };
    let upright = |size: Resolution| Resolution::new(size.height, size.width);
    for class in view.profile.iter().flat_map(|profile| &profile.sizes) {
        offer(ui, format!("{} · {}", class.name, class.size), class.size);
        offer(ui, format!("{} upright · {}", class.name, upright(class.size)), upright(class.size));
    }
    if let Some(reference) = view.reference.filter(|_| view.profile.is_none()) {
        offer(ui, format!("Preset · {}", reference.size), reference.size);
    }
    ui.separator();
    let size = draft.size;
    if ui.button("Swap width and height").clicked() {
        draft.size = upright(size);
        ui.close();
    }
    if let (Some(Ok(image)), Some(limits)) = (view.wells[0].image, view.limits)
        && ui.button("Shape of the start image").clicked()
    {
        draft.size = limits.strides.size_like(size, image.size);
        ui.close();
    }
}

/// One guidance, or one for each expert; the low-noise expert follows the other one until it gets its own.
fn guidance_ui(ui: &mut Ui, fields: &mut Fields<'_>, view: &ComposeView<'_>) {
    let errors = ["guidance", "guidance_low"];
    if fields.draft.guidance_low.is_none() && !has_two_experts(view) {
        let label = RowLabel { name: "Guidance", note: "", about: GUIDANCE };
        fields.row_ui(ui, label, DraftField::Guidance, &errors, |ui, draft| {
            Some(ui.add(guidance(&mut draft.guidance)))
        });
        return;
    }
    let label = RowLabel { name: "Guidance high · low", note: "", about: GUIDANCE };
    fields.row_ui(ui, label, DraftField::Guidance, &errors, |ui, draft| {
        let mut low = draft.guidance_low.unwrap_or(draft.guidance);
        let about = "Guidance of the low-noise expert, which draws the details";
        if named(&ui.add(guidance(&mut low)).on_hover_text(about), "Guidance, low noise").changed() {
            draft.guidance_low = Some(low);
        }
        let about = "Guidance of the high-noise expert, which draws the large shapes and the motion";
        named(&ui.add(guidance(&mut draft.guidance)).on_hover_text(about), "Guidance, high noise");
        None
    });
}

fn guidance(value: &mut f32) -> DragValue<'_> {
    DragValue::new(value).range(0.0..=50.0).speed(0.05).max_decimals(2)
}

/// Names a control that has no label of its own.
pub(super) fn named<'a>(response: &'a Response, name: &str) -> &'a Response {
    response.ctx.accesskit_node_builder(response.id, |node| node.set_label(name));
    response
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};

    fn numbers(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        fields_harness(bench, "The model", |ui, fields, view, _| numbers_ui(ui, fields, view))
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

    #[test]
    fn the_range_of_the_mode_is_on_the_controls_and_its_sizes_in_a_menu() {
        let mut bench = ComposeHarness::new();
        bench.is_official = true;
        let mut harness = numbers(bench);
        harness.get_by_label("30 to 100");
        harness.get_by_role_and_label(Role::SpinButton, "Steps").hover();
        harness.run();
        harness.get_by_label_contains("t2v-A14B takes 1 to 100; 30 to 100 are advised");
        harness.get_by_role_and_label(Role::Button, "Sizes").click();
        harness.run();
        harness.get_by_label("480p upright · 480x832").click();
        harness.run();
        assert_eq!(harness.state().draft.size, Resolution::new(480, 832));
    }
}
