//! The LoRAs of the form: file, strength, expert.

use std::path::PathBuf;

use eframe::egui::{Align, ComboBox, DragValue, Key, Label, Layout, TextEdit, Ui};
use egui_material_icons::icons::{ICON_ADD, ICON_DELETE};

use super::view::{ComposeAction, ComposeView};
use crate::app::widgets::field::problem_frame_ui;
use crate::app::widgets::icon::icon_button;
use crate::core::{Draft, Expert, LoraChoice};

/// The list of LoRAs and the path that is being typed.
#[derive(Default)]
pub(in crate::app) struct LoraList {
    path: String,
}

impl LoraList {
    /// Draws the list, if the model supports LoRAs or the form has some.
    pub(in crate::app) fn ui(
        &mut self,
        ui: &mut Ui,
        draft: &mut Draft,
        view: &ComposeView<'_>,
    ) -> Vec<ComposeAction> {
        let mut actions = Vec::new();
        let takes = view.limits.is_some_and(|limits| limits.lora);
        if !takes && draft.loras.is_empty() {
            return actions;
        }
        let mut removed = None;
        let rows = ui.scope(|ui| {
            for (index, lora) in draft.loras.iter_mut().enumerate() {
                // the same file may be listed twice, once for each expert
                ui.push_id(("lora", index), |ui| {
                    if row_ui(ui, lora) {
                        removed = Some(index);
                    }
                });
            }
        });
        if let Some(index) = removed {
            draft.loras.remove(index);
        }
        problem_frame_ui(ui, rows.response.rect, &["lora"], view.problems);
        if takes {
            actions.extend(add_ui(ui, &mut self.path).map(ComposeAction::AddLora));
        }
        actions
    }
}

/// Draws one LoRA; returns whether it should be removed.
fn row_ui(ui: &mut Ui, lora: &mut LoraChoice) -> bool {
    let name = lora.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ui.add(Label::new(&name).truncate().show_tooltip_when_elided(false))
        .on_hover_text(lora.file.display().to_string());
    ui.horizontal(|ui| {
        let label = ui.weak("Strength");
        ui.add(DragValue::new(&mut lora.strength).range(-10.0..=10.0).speed(0.01).max_decimals(2))
            .labelled_by(label.id)
            .on_hover_text("1 is as it was trained, 0 is none of it");
        let label = ui.weak("on");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let remove = icon_button(ui, ICON_DELETE, &format!("Remove {name}"), "Make the video without it");
            // what is left of the width, however narrow the panel is
            ComboBox::from_id_salt("expert")
                .selected_text(expert(lora.expert))
                .width(ui.available_width())
                .truncate()
                .show_ui(ui, |ui| {
                    for choice in [None, Some(Expert::High), Some(Expert::Low)] {
                        ui.selectable_value(&mut lora.expert, choice, expert(choice));
                    }
                })
                .response
                .labelled_by(label.id)
                .on_hover_text(
                    "Which steps it changes: the first ones are of high noise, the last ones of low",
                );
            remove.clicked()
        })
        .inner
    })
    .inner
}

fn expert(choice: Option<Expert>) -> &'static str {
    match choice {
        None => "both experts",
        Some(Expert::High) => "high noise",
        Some(Expert::Low) => "low noise",
    }
}

/// A path to add; the file is read first to find its expert.
fn add_ui(ui: &mut Ui, text: &mut String) -> Option<PathBuf> {
    let added = ui
        .horizontal(|ui| {
            let label = ui.label("LoRA");
            let right = Layout::right_to_left(Align::Center);
            ui.with_layout(right, |ui| {
                let clicked = ui
                    .add_enabled_ui(!text.trim().is_empty(), |ui| {
                        icon_button(ui, ICON_ADD, "Add LoRA", "Add this file to the form").clicked()
                    })
                    .inner;
                let edit = TextEdit::singleline(text).hint_text("path, or drop a file");
                let edit = ui.add(edit.desired_width(f32::INFINITY)).labelled_by(label.id);
                let entered = edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                (entered || clicked) && !text.trim().is_empty()
            })
            .inner
        })
        .inner;
    added.then(|| PathBuf::from(std::mem::take(text).trim()))
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};

    fn list(loras: &[&str]) -> Harness<'static, ComposeHarness> {
        let mut bench = ComposeHarness::new();
        bench.draft.loras = loras.iter().map(LoraChoice::new).collect();
        let mut list = LoraList::default();
        harness(bench, move |ui, view| {
            let mut draft = view.draft.clone();
            let mut actions = list.ui(ui, &mut draft, view);
            actions.extend((draft != *view.draft).then(|| ComposeAction::Edit(Box::new(draft))));
            actions
        })
    }

    #[test]
    fn a_path_is_looked_at_before_it_is_added() {
        let mut harness = list(&[]);
        harness.get_by_label("LoRA").focus();
        harness.run();
        harness.get_by_label("LoRA").type_text("styles/ink.safetensors");
        harness.run();
        harness.get_by_role_and_label(Role::Button, "Add LoRA").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::AddLora("styles/ink.safetensors".into())]);
        assert_eq!(harness.get_by_label("LoRA").value().as_deref(), Some(""));
    }

    #[test]
    fn each_has_a_strength_and_an_expert_and_can_go() {
        let mut harness = list(&["ink.safetensors", "rain.safetensors"]);
        harness.get_by_role_and_label(Role::Button, "Remove ink").click();
        harness.run();
        harness.get_by_role_and_label(Role::ComboBox, "on").click();
        harness.run();
        harness.get_by_label("low noise").click();
        harness.run();
        let strength = harness.get_by_role_and_label(Role::SpinButton, "Strength");
        assert_eq!(strength.value().as_deref(), Some("1.00"));
        let only = LoraChoice { expert: Some(Expert::Low), ..LoraChoice::new("rain.safetensors") };
        assert_eq!(harness.state().draft.loras, [only]);
    }
}
