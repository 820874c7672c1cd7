//! The LoRAs that fit the selected model.

use eframe::egui::{Button, Grid, Label, RichText, Ui};

use super::panel::ModelsAction;
use crate::core::{Result, counted};
use crate::plan::FittingLora;

/// Width of a name in points.
const NAME_WIDTH: f32 = 240.0;

/// What the section says beside the LoRAs themselves.
#[derive(Clone, Copy)]
pub(super) struct FittingView<'a> {
    /// Those that fit, or why that is not known; `None` until they were looked at.
    pub(super) loras: Option<&'a Result<Vec<FittingLora>>>,
    /// Number of LoRAs on this machine.
    pub(super) of: usize,
    /// Whether the form uses the model, so that a LoRA can be added to it.
    pub(super) is_in_form: bool,
}

/// Draws the section.
pub(super) fn fitting_ui(ui: &mut Ui, view: FittingView<'_>, actions: &mut Vec<ModelsAction>) {
    ui.add_space(6.0);
    ui.strong("LoRAs that fit");
    if view.of == 0 {
        ui.weak("There is no LoRA on this machine");
        return;
    }
    let fitting = match view.loras {
        None => {
            ui.weak(format!("Looking into {}…", counted(view.of as u64, "LoRA")));
            return;
        }
        Some(Err(error)) => {
            ui.add(Label::new(RichText::new(format!("{error:#}")).weak()).wrap());
            return;
        }
        Some(Ok(fitting)) => fitting,
    };
    Grid::new("fitting loras").num_columns(3).striped(true).spacing([14.0, 4.0]).show(ui, |ui| {
        for lora in fitting {
            row_ui(ui, lora, view.is_in_form, actions);
            ui.end_row();
        }
    });
    match view.of.saturating_sub(fitting.len()) {
        0 => {}
        1 if fitting.is_empty() => drop(ui.weak("The one LoRA on this machine does not")),
        others if fitting.is_empty() => drop(ui.weak(format!("None of the {others} on this machine"))),
        1 => drop(ui.weak("1 other does not")),
        others => drop(ui.weak(format!("{others} others do not"))),
    }
}

fn row_ui(ui: &mut Ui, lora: &FittingLora, is_in_form: bool, actions: &mut Vec<ModelsAction>) {
    let files: Vec<_> = lora.files.iter().map(|file| file.display().to_string()).collect();
    ui.scope(|ui| {
        ui.set_max_width(NAME_WIDTH);
        ui.add(Label::new(&lora.name).truncate().show_tooltip_when_elided(false))
            .on_hover_text(files.join("\n"));
    });
    let skipped = match lora.skipped {
        0 => String::new(),
        keys => format!(", {}", counted(keys as u64, "skipped key")),
    };
    ui.weak(format!("{}{skipped}", counted(lora.matched as u64, "module")));
    let add = ui.add_enabled(is_in_form, Button::new("Add"));
    let add = add
        .on_hover_text(format!("Add {} to the form", lora.name))
        .on_disabled_hover_text("Use the model first");
    if add.clicked() {
        actions.push(ModelsAction::UseLora(lora.files.clone()));
    }
}
