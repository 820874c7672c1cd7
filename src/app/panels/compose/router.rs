//! The router card: mode and model with the reason for both, and what other modes would need.

use eframe::egui::text::LayoutJob;
use eframe::egui::{Button, Frame, Label, Margin, RichText, TextStyle, Ui, vec2};
use egui_material_icons::icons::ICON_AUTO_AWESOME;

use super::numbers::named;
use super::view::{ComposeAction, ComposeView, PreflightStatus};
use crate::app::theme;
use crate::app::widgets::field::problem_frame_ui;
use crate::core::Mode;

/// Height of the sentence below the buttons; fixed, so that a different reason moves nothing.
const SENTENCE_HEIGHT: f32 = 34.0;
const SENTENCE_ROWS: usize = 2;
/// The modes, in the order of the buttons.
const MODES: [Mode; 3] = [Mode::T2V, Mode::I2V, Mode::TI2V];
/// How much of the width each button has.
const SHARES: [f32; 3] = [0.26, 0.3, 0.44];
/// Space between the buttons and around their texts.
const BUTTON_GAP: f32 = 4.0;

/// Draws the card. Choosing a mode selects a model that supports it.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let tokens = theme::tokens(ui);
    Frame::new().fill(tokens.card).corner_radius(6).inner_margin(Margin::same(6)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        modes_ui(ui, view, actions);
        ui.allocate_ui(vec2(ui.available_width(), SENTENCE_HEIGHT), |ui| {
            ui.set_min_height(SENTENCE_HEIGHT);
            sentence_ui(ui, sentence(view));
        });
        let others = MODES.into_iter().filter(|mode| view.mode != Some(*mode)).take(2);
        let needs: Vec<_> =
            others.map(|mode| format!("{}: {}", button_text(mode), need(mode, view))).collect();
        let needs = needs.join(" · ");
        ui.add(Label::new(RichText::new(&needs).small().weak()).truncate());
        problem_frame_ui(ui, ui.min_rect(), &["mode"], view.problems);
    });
}

/// A sentence of two lines at most; the tooltip has all of it.
fn sentence_ui(ui: &mut Ui, text: String) {
    let (font, colour) = (TextStyle::Body.resolve(ui.style()), ui.visuals().text_color());
    let mut job = LayoutJob::simple(text.clone(), font, colour, ui.available_width());
    job.wrap.max_rows = SENTENCE_ROWS;
    let response = ui.add(Label::new(job));
    if response.hovered() {
        response.on_hover_text(text);
    }
}

/// Automatic, and the three modes side by side.
fn modes_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    ui.horizontal(|ui| {
        let spacing = ui.spacing_mut();
        (spacing.item_spacing.x, spacing.button_padding.x) = (BUTTON_GAP, BUTTON_GAP);
        automatic_ui(ui, view, actions);
        let width = ui.available_width() - 2.0 * BUTTON_GAP;
        for (mode, share) in MODES.into_iter().zip(SHARES) {
            mode_ui(ui, mode, (width * share).floor(), view, actions);
        }
    });
}

/// The button for automatic mode; highlighted while it is on.
fn automatic_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let icon = ICON_AUTO_AWESOME.rich_text().size(theme::ICON_SIZE);
    let button = Button::selectable(!view.is_mode_set, icon).frame(true).frame_when_inactive(true);
    let response = ui.add(button.min_size(vec2(theme::ICON_BUTTON.x, theme::ROW_HEIGHT)));
    let about = if view.is_mode_set {
        "Automatic. You set the mode, and it stays. Click to let the prompt and the images decide again"
    } else {
        "Automatic: the prompt, the images and the model decide the mode"
    };
    named(&response, "Automatic");
    if response.on_hover_text(about).clicked() && view.is_mode_set {
        actions.push(ComposeAction::AutomaticMode);
    }
}

fn mode_ui(ui: &mut Ui, mode: Mode, width: f32, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let is_active = view.mode == Some(mode);
    let button =
        Button::selectable(is_active, button_text(mode)).frame(true).frame_when_inactive(true).truncate();
    let is_offered = is_active || view.models.iter().any(|model| supports(model, mode));
    let response =
        ui.add_enabled_ui(is_offered, |ui| ui.add_sized(vec2(width, theme::ROW_HEIGHT), button)).inner;
    let response = response.on_hover_text(about(mode, view)).on_disabled_hover_text(format!(
        "{} needs a model that supports it, and none is installed",
        name(mode)
    ));
    if response.clicked() && (!is_active || !view.is_mode_set) {
        actions.push(ComposeAction::ChooseMode(mode));
    }
}

fn supports(model: &crate::models::Installed, mode: Mode) -> bool {
    model.limits.as_ref().is_ok_and(|limits| limits.modes.contains(&mode))
}

/// For instance "Text to video with toy-t2v-A14B on the CPU: only a prompt was given".
fn sentence(view: &ComposeView<'_>) -> String {
    let model = &view.draft.model;
    if !view.is_scanned {
        return "Looking for models…".to_owned();
    }
    if !view.models.iter().any(|model| model.limits.is_ok()) {
        return "No model is installed yet: videos need one".to_owned();
    }
    let Some(mode) = view.mode else { return format!("The mode is not known: {model} cannot be used") };
    let runs_on = match view.preflight {
        PreflightStatus::Done(Ok(found)) | PreflightStatus::Pending(Some(Ok(found)))
            if !found.runs_on.is_empty() =>
        {
            format!(" on {}{}", if found.runs_on == "CPU" { "the " } else { "" }, found.runs_on)
        }
        _ => String::new(),
    };
    let reason = if view.reason.is_empty() { String::new() } else { format!(": {}", view.reason) };
    format!("{} with {model}{runs_on}{reason}", name(mode))
}

/// What a mode makes, and what the form still needs for it.
fn about(mode: Mode, view: &ComposeView<'_>) -> String {
    format!("{}: {}. The mode that you choose stays until you click Automatic", name(mode), need(mode, view))
}

/// What the form still needs for a mode: "drop an image".
fn need(mode: Mode, view: &ComposeView<'_>) -> String {
    let has_image = view.draft.starts_from_image();
    let has_prompt = !view.draft.prompt.trim().is_empty();
    if !view.models.iter().any(|model| supports(model, mode)) {
        return "no model installed".to_owned();
    }
    let needs = match mode {
        Mode::T2V if has_image => "remove the start image",
        Mode::T2V | Mode::TI2V if !has_prompt => "write a prompt",
        Mode::I2V if !has_image => "drop an image",
        Mode::TI2V if !has_image => "click, or drop an image",
        _ => "click to use it",
    };
    needs.to_owned()
}

fn button_text(mode: Mode) -> &'static str {
    match mode {
        Mode::T2V => "Text",
        Mode::I2V => "Image",
        Mode::TI2V => "Text + image",
    }
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::T2V => "Text to video",
        Mode::I2V => "Image to video",
        Mode::TI2V => "Text and image to video",
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::{Role, Toggled};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};

    fn card(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        harness(bench, |ui, view| {
            let mut actions = Vec::new();
            super::ui(ui, view, &mut actions);
            actions
        })
    }

    #[test]
    fn the_active_mode_is_highlighted_with_its_model_and_reason() {
        let harness = card(ComposeHarness::new());
        harness.get_by_label("Text to video with toy-t2v-A14B: only a prompt was given");
        let toggled = |name: &str| {
            harness.get_by_role_and_label(Role::Button, name).accesskit_node().toggled()
                == Some(Toggled::True)
        };
        harness.get_by_label("Image: drop an image · Text + image: no model installed");
        assert!(toggled("Text") && toggled("Automatic"));
        assert!(!toggled("Image") && !toggled("Text + image"));
    }

    #[test]
    fn another_mode_says_what_it_needs_and_can_be_chosen() {
        let mut harness = card(ComposeHarness::new());
        harness.get_by_role_and_label(Role::Button, "Image").hover();
        harness.run();
        harness.get_by_label_contains("Image to video: drop an image. The mode that you choose stays");
        harness.get_by_role_and_label(Role::Button, "Image").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::ChooseMode(Mode::I2V)]);
    }

    #[test]
    fn a_mode_without_a_model_cannot_be_chosen() {
        let harness = card(ComposeHarness::new());
        let button = harness.get_by_role_and_label(Role::Button, "Text + image");
        assert!(button.accesskit_node().is_disabled());
    }

    #[test]
    fn a_mode_that_was_set_stays_until_automatic_resets_it() {
        let mut bench = ComposeHarness::new();
        bench.draft.mode = Some(Mode::T2V);
        let mut harness = card(bench);
        harness.get_by_role_and_label(Role::Button, "Automatic").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::AutomaticMode]);
    }
}
