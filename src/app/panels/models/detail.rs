//! The selected model: components, files, what uses it, and what can be done with it.

use std::path::PathBuf;

use eframe::egui::{Button, Grid, Label, RichText, Ui};

use super::conversion::conversion_ui;
use super::fitting::{FittingView, fitting_ui};
use super::list::state;
use super::panel::{ModelsAction, ModelsView};
use super::report::report_ui;
use super::roles::roles_ui;
use crate::app::theme;
use crate::app::widgets::chosen_files::chosen_files_ui;
use crate::app::widgets::field::problem_text_ui;
use crate::models::convert::ConversionTarget;
use crate::models::{Installed, ModelInfo, Removal};

/// Damaged tensors that are listed.
const LISTED: usize = 8;

pub(super) fn detail_ui(
    ui: &mut Ui,
    model: &Installed,
    view: &ModelsView<'_>,
    removing: &mut Option<String>,
    actions: &mut Vec<ModelsAction>,
) {
    ui.label(RichText::new(&model.id).strong().size(theme::HEADING));
    let layout = model.info.as_ref().map(|info| info.layout.to_string()).unwrap_or_default();
    let (_, text) = state(model, view);
    // the error below has the rest
    let text =
        if model.limits.is_err() { text.split(": ").next().unwrap_or_default().to_owned() } else { text };
    ui.weak(if layout.is_empty() { text } else { format!("{layout} · {text}") });
    let place = model.folder().display().to_string();
    ui.add(Label::new(RichText::new(&place).small().weak()).truncate().show_tooltip_when_elided(false))
        .on_hover_text(place);
    if let Err(error) = &model.limits {
        problem_text_ui(ui, error);
    }
    if model.id == view.chosen {
        chosen_files_ui(ui, view.components);
    }
    verbs_ui(ui, model, view, removing, actions);
    if let Some(info) = &model.info {
        components_ui(ui, info);
    }
    roles_ui(ui, model, view, actions);
    if let Some(Ok(report)) = view.verified.get(&model.id) {
        for text in report.lines().take(LISTED) {
            ui.add(Label::new(RichText::new(text).color(theme::tokens(ui).error)).wrap());
        }
    }
    let detail = view.details.get(&model.id);
    report_ui(ui, model, detail);
    if let Some(report) = detail.and_then(|detail| detail.conversion.as_deref()) {
        conversion_ui(ui, report);
    }
    if model.limits.as_ref().is_ok_and(|limits| limits.lora) {
        let fitting = FittingView {
            loras: detail.and_then(|detail| detail.loras.as_ref()),
            of: view.loras.loras.len(),
            is_in_form: model.id == view.chosen,
        };
        fitting_ui(ui, fitting, actions);
    }
    used_ui(ui, model, view);
}

fn verbs_ui(
    ui: &mut Ui,
    model: &Installed,
    view: &ModelsView<'_>,
    removing: &mut Option<String>,
    actions: &mut Vec<ModelsAction>,
) {
    let is_usable = model.limits.is_ok();
    let is_free = view.task.is_none();
    let id = || model.id.clone();
    ui.horizontal_wrapped(|ui| {
        if ui.add_enabled(is_usable && model.id != view.chosen, Button::new("Use")).clicked() {
            actions.push(ModelsAction::Use(id()));
        }
        let size = model.info.as_ref().map(|info| format!(" ({})", info.size())).unwrap_or_default();
        let verify = ui.add_enabled(is_usable && is_free, Button::new(format!("Verify{size}")));
        if verify.on_hover_text("Reads every byte and looks for values that are not numbers").clicked() {
            actions.push(ModelsAction::Verify(id()));
        }
        let is_quantised = model.limits.as_ref().is_ok_and(|limits| limits.quantisation.is_some());
        for (target, name) in
            [(ConversionTarget::Int8, "Convert to int8"), (ConversionTarget::Int4, "Convert to int4")]
        {
            let convert = ui.add_enabled(is_usable && is_free && !is_quantised, Button::new(name));
            if convert.on_hover_text("Makes a smaller copy in the data folder; this model stays").clicked() {
                actions.push(ModelsAction::Convert(id(), target));
            }
        }
        if ui.button("Show in folder").clicked() {
            actions.push(ModelsAction::Reveal(model.path.clone()));
        }
        if ui.add_enabled(is_free, Button::new("Remove…")).clicked() {
            *removing = Some(id());
        }
    });
    if removing.as_deref() == Some(&model.id) {
        remove_ui(ui, model, view, removing, actions);
    }
}

/// Says what removing takes away, and asks for it.
fn remove_ui(
    ui: &mut Ui,
    model: &Installed,
    view: &ModelsView<'_>,
    removing: &mut Option<String>,
    actions: &mut Vec<ModelsAction>,
) {
    let removal = match Removal::plan(model, view.models) {
        Ok(removal) => removal,
        Err(error) => return problem_text_ui(ui, &error),
    };
    ui.label(format!("Moves {} to the bin; the disk has that room once the bin is emptied", removal.frees));
    if let Some(folder) = &removal.stays_at {
        ui.label(format!("Only the link is removed; the files stay in {}", folder.display()));
    }
    for file in &removal.shared {
        ui.label(file.to_string());
    }
    ui.horizontal(|ui| {
        let name = RichText::new(format!("Remove: frees {}", removal.frees)).color(theme::tokens(ui).error);
        if ui.button(name).clicked() {
            actions.push(ModelsAction::Remove(model.id.clone()));
            *removing = None;
        }
        if ui.button("Keep").clicked() {
            *removing = None;
        }
    });
}

fn components_ui(ui: &mut Ui, info: &ModelInfo) {
    ui.add_space(6.0);
    ui.strong("Components");
    Grid::new("components").num_columns(5).striped(true).spacing([14.0, 4.0]).show(ui, |ui| {
        for part in &info.components {
            ui.label(if part.role == "vae" { "VAE" } else { part.role });
            ui.label(part.precision);
            ui.label(part.size.to_string());
            ui.label(part.role_source.as_ref().map(ToString::to_string).unwrap_or_default());
            files_ui(ui, &part.files);
            ui.end_row();
        }
    });
    for note in &info.notes {
        ui.add(Label::new(RichText::new(note).weak()).wrap());
    }
}

/// Where the files of a component lie: the first one, and all of them in the tooltip.
fn files_ui(ui: &mut Ui, files: &[PathBuf]) {
    let Some(first) = files.first() else { return };
    let name = first.file_name().unwrap_or_default().to_string_lossy();
    let text = if files.len() > 1 { format!("{name} and {} more", files.len() - 1) } else { name.into() };
    let all: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    ui.label(RichText::new(text).small().weak()).on_hover_text(all.join("\n"));
}

fn used_ui(ui: &mut Ui, model: &Installed, view: &ModelsView<'_>) {
    ui.add_space(6.0);
    ui.strong("Used by");
    let of_model = |job: &&crate::jobs::Job| model.is_called(&job.spec.draft.model);
    let (ended, open): (Vec<_>, Vec<_>) =
        view.queue.iter().filter(of_model).partition(|job| job.ended().is_some());
    let presets: Vec<_> = view
        .presets
        .iter()
        .filter(|preset| model.is_variant_of(&preset.model))
        .map(|preset| format!("\"{}\"", preset.name))
        .collect();
    let mut parts = Vec::new();
    if !open.is_empty() {
        parts.push(format!("{} queued jobs", open.len()));
    }
    if !presets.is_empty() {
        parts.push(format!("presets {}", presets.join(", ")));
    }
    if !ended.is_empty() {
        parts.push(format!("{} ended jobs in the queue", ended.len()));
    }
    ui.add(Label::new(if parts.is_empty() { "nothing".to_owned() } else { parts.join(" · ") }).wrap());
}
