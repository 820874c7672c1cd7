//! The seed, and where the next one comes from.

use eframe::egui::{Align, Id, Layout, Response, Stroke, StrokeKind, TextEdit, Ui};
use egui_material_icons::icons::{ICON_CASINO, ICON_HISTORY};

use super::fields::MARK_SPACE;
use super::view::{ComposeAction, ComposeView};
use crate::app::form::SeedMode;
use crate::app::shell::command::Command;
use crate::app::theme;
use crate::app::widgets::field::{button_row_ui, mark_form_text};
use crate::app::widgets::icon::icon_button;
use crate::core::{Draft, Seed};

/// Width that the controls need with their usual spaces; in less they move together.
const ROW: f32 = 290.0;
/// Width of the largest seed.
const FIELD: f32 = 172.0;
const ABOUT: &str = "Starting noise: the same seed and settings give the same video";

/// Draws the row.
pub(super) fn ui(ui: &mut Ui, draft: &mut Draft, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let mut another = false;
    let is_random = view.seed_mode == SeedMode::Random;
    button_row_ui(ui, |ui| {
        let label = ui.label("Seed").on_hover_text(ABOUT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.available_width() < ROW {
                ui.spacing_mut().item_spacing.x = 3.0;
            } else {
                // in line with the controls that have marks
                ui.add_space(MARK_SPACE);
            }
            let tooltip = Command::RandomSeed.tooltip(ui.ctx());
            another = icon_button(ui, ICON_CASINO, Command::RandomSeed.text(), &tooltip).clicked();
            let is_other = view.last_seed.is_some_and(|last| is_random || last != draft.seed);
            let tooltip = Command::ReuseSeed.tooltip(ui.ctx());
            ui.add_enabled_ui(is_other, |ui| {
                if icon_button(ui, ICON_HISTORY, Command::ReuseSeed.text(), &tooltip).clicked() {
                    actions.push(ComposeAction::ReuseSeed);
                }
            });
            let words = "A new random seed for each video; otherwise the seed shown here";
            if ui.selectable_label(is_random, "random").on_hover_text(words).clicked() {
                let mode = if is_random { SeedMode::Fixed } else { SeedMode::Random };
                actions.push(ComposeAction::SeedMode(mode));
            }
            field_ui(ui, draft, &label);
        });
    });
    if another {
        draft.seed = Seed::random().0;
    }
}

/// The number as text: a seed has up to 20 digits, all of which count, and egui's number field keeps 15. What is
/// no seed stays in the field until it is left, and changes nothing.
fn field_ui(ui: &mut Ui, draft: &mut Draft, label: &Response) {
    let id = ui.make_persistent_id("seed");
    let typed = ui.data_mut(|data| data.get_temp::<String>(id));
    // a seed that changed otherwise replaces what is typed
    let typed = typed.filter(|typed| seed_of(typed).is_none_or(|seed| seed == draft.seed));
    let mut text = typed.unwrap_or_else(|| draft.seed.to_string());
    let width = ui.available_width().min(FIELD);
    let edit = TextEdit::singleline(&mut text).id(id).desired_width(width);
    let response = ui.add(edit).labelled_by(label.id);
    mark_form_text(&response);
    if response.changed()
        && let Some(seed) = seed_of(&text)
    {
        draft.seed = seed;
    }
    let about = if seed_of(&text).is_none() {
        let stroke = Stroke::new(1.0, theme::tokens(ui).error);
        ui.painter().rect_stroke(response.rect, 3.0, stroke, StrokeKind::Outside);
        format!("A seed is a whole number from 0 to {}. The video would get {}", u64::MAX, draft.seed)
    } else {
        format!("{ABOUT}. {}", draft.seed)
    };
    keep(ui, id, &response, text);
    response.on_hover_text(about);
}

/// Keeps a text while it is typed.
fn keep(ui: &Ui, id: Id, response: &Response, text: String) {
    if response.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, text));
    } else {
        ui.data_mut(|data| data.remove::<String>(id));
    }
}

/// The seed in a text, if it is one.
fn seed_of(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use eframe::egui::{Key, Modifiers, vec2};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, fields_harness};

    fn row(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        fields_harness(bench, "The model", |ui, fields, view, actions| {
            super::ui(ui, fields.draft, view, actions);
        })
    }

    #[test]
    fn the_name_is_readable_and_a_long_seed_widens_nothing_in_a_narrow_column() {
        for seed in [1_339_647_952, u64::MAX] {
            for width in [280.0, 420.0] {
                let mut bench = ComposeHarness::new();
                bench.draft.seed = seed;
                let mut harness = row(bench);
                harness.set_size(vec2(width, 600.0));
                harness.run();
                let name = harness.get_by_role_and_label(Role::Label, "Seed").rect();
                let value = harness.get_by_role_and_label(Role::TextInput, "Seed").rect();
                let last = harness.get_by_role_and_label(Role::Button, "Random seed").rect();
                assert!(name.left() >= 0.0 && name.right() < value.left(), "{width}: {name} {value}");
                assert!(last.right() <= width, "{width}: {last}");
            }
        }
    }

    #[test]
    fn every_digit_of_a_seed_counts_and_what_is_no_seed_changes_nothing() {
        let mut bench = ComposeHarness::new();
        bench.draft.seed = 12_345_678_901_234_567_890;
        let mut harness = row(bench);
        let field = |harness: &Harness<'_, ComposeHarness>| {
            harness.get_by_role_and_label(Role::TextInput, "Seed").value()
        };
        assert_eq!(field(&harness).as_deref(), Some("12345678901234567890"));
        let mut typed = |text: &str| {
            harness.get_by_role_and_label(Role::TextInput, "Seed").focus();
            harness.run();
            harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
            harness.get_by_role_and_label(Role::TextInput, "Seed").type_text(text);
            harness.run();
            let now = (harness.state().draft.seed, field(&harness));
            harness.key_press(Key::Enter);
            harness.run();
            (now, field(&harness))
        };
        let shown = |text: &str| Some(text.to_owned());
        let last = 18_446_744_073_709_551_615;
        assert_eq!(typed("18446744073709551615").0, (last, shown("18446744073709551615")));
        for wrong in ["-1", "18446744073709551616", "cat", ""] {
            let (typing, left) = typed(wrong);
            assert_eq!(typing.0, last, "{wrong}");
            assert_eq!(left, shown("18446744073709551615"), "{wrong}");
        }
    }

    #[test]
    fn the_last_seed_is_used_again_where_it_is_another_one() {
        let mut bench = ComposeHarness::new();
        bench.draft.seed = 5;
        let reuse = |bench: ComposeHarness| {
            let mut harness = row(bench);
            let button = harness.get_by_role_and_label(Role::Button, "Reuse last seed");
            let is_enabled = !button.accesskit_node().is_disabled();
            button.click();
            harness.run();
            (is_enabled, harness.state().actions.clone())
        };
        bench.last_seed = Some(5);
        assert_eq!(reuse(bench), (false, Vec::new()));
        let other = ComposeHarness { last_seed: Some(6), ..ComposeHarness::new() };
        assert_eq!(reuse(other), (true, vec![ComposeAction::ReuseSeed]));
    }
}
