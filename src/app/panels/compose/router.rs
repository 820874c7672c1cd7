//! The router card: mode and model with the reason for both, and what other modes would need.

use eframe::egui::{Align, Button, Frame, Label, Layout, Margin, Ui, vec2};

use super::view::{ComposeAction, ComposeView};
use crate::app::theme;
use crate::app::widgets::field::problem_ui;
use crate::core::{Draft, Mode};

/// Height of the sentence below the buttons; fixed, so that a different reason moves nothing.
const SENTENCE_HEIGHT: f32 = 36.0;
/// Space between the buttons and around their texts.
const BUTTON_GAP: f32 = 4.0;

/// Draws the card. Choosing a mode selects a model that supports it.
pub(in crate::app) fn ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let tokens = theme::tokens(ui);
    Frame::new().fill(tokens.card).corner_radius(6).inner_margin(Margin::same(8)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label("Mode");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| automatic_ui(ui, view, actions));
        });
        modes_ui(ui, view, actions);
        ui.allocate_ui(vec2(ui.available_width(), SENTENCE_HEIGHT), |ui| {
            ui.set_min_height(SENTENCE_HEIGHT);
            ui.add(Label::new(sentence(view)).wrap());
        });
        problem_ui(ui, "mode", view.problems);
    });
    ui.add_space(4.0);
}

/// The three modes side by side with equal widths.
fn modes_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    ui.scope(|ui| {
        let spacing = ui.spacing_mut();
        (spacing.item_spacing.x, spacing.button_padding.x) = (BUTTON_GAP, BUTTON_GAP);
        // whole points, because columns are rounded up and would exceed the card
        let column = ((ui.available_width() - 2.0 * BUTTON_GAP) / 3.0).floor();
        ui.set_max_width(3.0 * column + 2.0 * BUTTON_GAP);
        ui.columns_const(|columns: &mut [Ui; 3]| {
            for (ui, mode) in columns.iter_mut().zip([Mode::T2V, Mode::I2V, Mode::TI2V]) {
                mode_ui(ui, mode, view, actions);
            }
        });
    });
}

/// The button for automatic mode; highlighted while it is on.
fn automatic_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let response = ui.selectable_label(!view.is_mode_set, "Automatic");
    let about = if view.is_mode_set {
        "You set the mode, and it stays. Click to let the prompt and the images decide again"
    } else {
        "The prompt, the images and the model decide the mode"
    };
    if response.on_hover_text(about).clicked() && view.is_mode_set {
        actions.push(ComposeAction::AutomaticMode);
    }
}

fn mode_ui(ui: &mut Ui, mode: Mode, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let is_active = view.mode == Some(mode);
    let button =
        Button::selectable(is_active, button_text(mode)).frame(true).frame_when_inactive(true).truncate();
    let is_offered = is_active || view.models.iter().any(|model| supports(model, mode));
    let button = button.min_size(vec2(ui.available_width(), theme::ROW_HEIGHT));
    let response = ui.add_enabled(is_offered, button);
    let response = response.on_hover_text(about(mode, view.draft)).on_disabled_hover_text(format!(
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

/// For instance "Text to video with toy-t2v-A14B: only a prompt was given".
fn sentence(view: &ComposeView<'_>) -> String {
    let model = &view.draft.model;
    let Some(mode) = view.mode else { return format!("The mode is not known: {model} cannot be used") };
    let reason = if view.reason.is_empty() { String::new() } else { format!(": {}", view.reason) };
    format!("{} with {model}{reason}", name(mode))
}

/// What a mode makes, and which inputs it still needs.
fn about(mode: Mode, draft: &Draft) -> String {
    let has_image = draft.starts_from_image();
    let has_prompt = !draft.prompt.trim().is_empty();
    let needs = match mode {
        Mode::T2V if has_image => "The start image is removed from the form",
        Mode::I2V if !has_image => "Drop or choose an image to start from",
        Mode::T2V if !has_prompt => "Write a prompt",
        Mode::TI2V if !has_image => "Write a prompt; an image to start from is optional",
        Mode::TI2V if !has_prompt => "Write a prompt too",
        _ => "Everything that it needs is given",
    };
    format!("{}. {needs}", name(mode))
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
        assert!(toggled("Text") && toggled("Automatic"));
        assert!(!toggled("Image") && !toggled("Text + image"));
    }

    #[test]
    fn another_mode_says_what_it_needs_and_can_be_chosen() {
        let mut harness = card(ComposeHarness::new());
        harness.get_by_role_and_label(Role::Button, "Image").hover();
        harness.run();
        harness.get_by_label_contains("Drop or choose an image to start from");
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
