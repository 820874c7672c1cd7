//! The preset: which one was applied, how many fields differ from it, and what the others would change.

use eframe::egui::{Align, Button, ComboBox, Label, Layout, RichText, ScrollArea, Ui, vec2};
use egui_material_icons::icons::{ICON_ARROW_RIGHT_ALT, ICON_REDO, ICON_UNDO};

use super::fields::{Fields, MARK_SPACE};
use super::view::{ComposeAction, ComposeView};
use crate::app::form::PresetPreview;
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::field::button_row_ui;
use crate::app::widgets::icon::icon_button;

/// Width of the list, so that differences fit on a line or two.
const LIST_WIDTH: f32 = 360.0;
const LIST_HEIGHT: f32 = 420.0;

/// Draws the chooser, and the buttons that take changes back.
pub(super) fn ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    button_row_ui(ui, |ui| {
        let label = ui.label("Preset");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            undo_ui(ui, view, actions);
            let current = view.preset.unwrap_or("model defaults");
            let chooser = ComboBox::from_id_salt("preset").selected_text(current).truncate();
            let chooser = chooser.width(ui.available_width()).height(LIST_HEIGHT);
            let response = chooser.show_ui(ui, |ui| {
                ui.set_width(LIST_WIDTH);
                ScrollArea::vertical().max_height(LIST_HEIGHT).show(ui, |ui| {
                    for preview in (view.presets)() {
                        preview_ui(ui, &preview, view, actions);
                    }
                });
            });
            let about = "Named settings. The list shows what each would change in the form";
            response.response.labelled_by(label.id).on_hover_text(about);
        });
    });
}

/// The heading of the settings, with how many of them differ from the preset.
pub(super) fn heading_ui(ui: &mut Ui, fields: &mut Fields<'_>) {
    ui.horizontal(|ui| {
        ui.strong("Settings");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            // in line with the controls that have marks
            ui.add_space(MARK_SPACE);
            differing_ui(ui, fields);
        });
    });
}

/// How many fields differ from the preset, as a button that resets them.
fn differing_ui(ui: &mut Ui, fields: &mut Fields<'_>) {
    let names: Vec<_> = fields.differing().map(|field| field.label()).collect();
    let text = match names.len() {
        0 => return,
        1 => "1 field differs".to_owned(),
        count => format!("{count} fields differ"),
    };
    let button = Button::new(RichText::new(text).color(theme::tokens(ui).accent)).frame(false);
    let about = format!(
        "Reset all: {}. {} has other values; prompt, images and seed stay",
        names.join(", "),
        fields.reference_name
    );
    if ui.add(button).on_hover_text(about).clicked() {
        fields.reset_all();
    }
}

fn undo_ui(ui: &mut Ui, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let verbs = [
        (Command::Redo, ICON_REDO, view.can_undo_redo[1]),
        (Command::Undo, ICON_UNDO, view.can_undo_redo[0]),
    ];
    for (command, icon, can_be) in verbs {
        let tooltip = command.tooltip(ui.ctx());
        ui.add_enabled_ui(can_be, |ui| {
            if icon_button(ui, icon, command.text(), &tooltip).clicked() {
                actions.push(ComposeAction::Command(command));
            }
        });
    }
}

/// One preset with what it would change.
fn preview_ui(
    ui: &mut Ui,
    preview: &PresetPreview,
    view: &ComposeView<'_>,
    actions: &mut Vec<ComposeAction>,
) {
    let is_current = view.preset == Some(preview.name.as_str());
    let is_here = preview.missing_model.is_none() && preview.missing_loras.is_empty();
    let button = Button::selectable(is_current, RichText::new(&preview.name).strong());
    let button = button.min_size(vec2(ui.available_width(), 0.0));
    let response = ui.add_enabled(is_here, button).on_hover_text(&preview.description);
    if response.clicked() {
        actions.push(ComposeAction::ApplyPreset(preview.name.clone()));
        ui.close();
    }
    ui.indent(&preview.name, |ui| {
        let text = match &preview.missing_model {
            Some(model) => format!("needs {model}, which is not installed"),
            None if !preview.missing_loras.is_empty() => {
                let names = preview.missing_loras.join(" and ");
                format!("needs the LoRA {names}; choose its file in the presets panel")
            }
            None => changes(preview),
        };
        ui.add(Label::new(RichText::new(text).small().weak()).wrap());
    });
}

/// For instance "steps 20 → 4, guidance 1.5 → 1", with the arrow of the icon font.
fn changes(preview: &PresetPreview) -> String {
    if preview.differences.is_empty() {
        return "changes nothing".to_owned();
    }
    let change = |found: &crate::plan::Difference| {
        let arrow = ICON_ARROW_RIGHT_ALT.codepoint;
        format!("{} {} {arrow} {}", found.field.label().to_lowercase(), found.before, found.after)
    };
    preview.differences.iter().map(change).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};
    use crate::plan::{Difference, DraftField};

    fn chooser(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        fields_harness(bench, "The preset toy-t2v", |ui, fields, view, actions| {
            super::ui(ui, view, actions);
            heading_ui(ui, fields);
        })
    }

    #[test]
    fn the_list_shows_what_a_preset_would_change_before_it_is_applied() {
        let difference = Difference { field: DraftField::Steps, before: "20".into(), after: "4".into() };
        let preview = |name: &str, missing: Option<&str>| PresetPreview {
            name: name.into(),
            description: String::new(),
            missing_model: missing.map(Into::into),
            missing_loras: Vec::new(),
            differences: vec![difference.clone()],
        };
        let presets = vec![preview("fast", None), preview("large", Some("t2v-A14B"))];
        let mut harness = chooser(ComposeHarness { presets, ..ComposeHarness::new() });
        harness.get_by_role_and_label(Role::ComboBox, "Preset").click();
        harness.run();
        harness.get_by_label(&format!("steps 20 {} 4", ICON_ARROW_RIGHT_ALT.codepoint));
        harness.get_by_label("needs t2v-A14B, which is not installed");
        assert!(harness.get_by_role_and_label(Role::Button, "large").accesskit_node().is_disabled());
        harness.get_by_role_and_label(Role::Button, "fast").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::ApplyPreset("fast".into())]);
    }

    #[test]
    fn all_fields_that_differ_are_reset_at_once() {
        let mut bench = ComposeHarness::new();
        (bench.draft.steps, bench.draft.fps) = (7, 5);
        let mut harness = chooser(bench);
        harness.get_by_role_and_label(Role::Button, "2 fields differ").click();
        harness.run();
        assert_eq!((harness.state().draft.steps, harness.state().draft.fps), (20, 8));
        assert!(harness.query_by_label_contains("differ").is_none());
    }

    #[test]
    fn undo_and_redo_are_there_when_they_can_be() {
        let mut harness = chooser(ComposeHarness { can_undo_redo: [true, false], ..ComposeHarness::new() });
        let redo = harness.get_by_role_and_label(Role::Button, "Redo");
        assert!(redo.accesskit_node().is_disabled());
        harness.get_by_role_and_label(Role::Button, "Undo").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::Command(Command::Undo)]);
    }
}
