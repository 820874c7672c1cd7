//! The LoRAs on this machine: what they are, how they fit the form's model, and adding them to the form.

use eframe::egui::{Align, Button, DragValue, Grid, Label, Layout, RichText, Ui, vec2};

use super::panel::ModelsAction;
use crate::app::theme;
use crate::core::{Expert, LoraChoice, counted};
use crate::plan::{ListedLora, ListedLoraFile};
use crate::wan::lora::{LoraReport, LoraSummary};

/// What the page shows.
#[derive(Clone, Copy, Default)]
pub(in crate::app) struct LorasView<'a> {
    /// The LoRAs of the last scan.
    pub(in crate::app) loras: &'a [ListedLora],
    /// The LoRA that was checked last, with its fit.
    pub(in crate::app) checked: Option<&'a ListedLora>,
    /// The LoRAs of the form.
    pub(in crate::app) used: &'a [LoraChoice],
}

/// Width of all columns but the name.
const BESIDE_NAME: f32 = 620.0;

/// Draws the list, and the report of the LoRA that was checked.
pub(super) fn loras_ui(ui: &mut Ui, view: LorasView<'_>, search: &str, actions: &mut Vec<ModelsAction>) {
    let words = search.to_lowercase();
    let is_shown = |lora: &&ListedLora| {
        let name = lora.name.to_lowercase();
        words.split_whitespace().all(|word| name.contains(word))
    };
    let shown: Vec<_> = view.loras.iter().filter(is_shown).collect();
    if shown.is_empty() {
        let empty = "No LoRA found. Put files into models/loras of the data folder, or into the loras folder of \
                     your folder of models";
        ui.add(
            Label::new(RichText::new(if view.loras.is_empty() { empty } else { "No LoRA matches" }).weak())
                .wrap(),
        );
        return;
    }
    let width = (ui.available_width() - BESIDE_NAME).clamp(90.0, 360.0);
    Grid::new("loras").num_columns(8).striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
        for head in ["LoRA", "Method", "Rank", "Expert", "On disk", "Strength", "", ""] {
            ui.weak(head);
        }
        ui.end_row();
        for lora in &shown {
            row_ui(ui, lora, width, view.used, actions);
            ui.end_row();
        }
    });
    if let Some(checked) = view.checked {
        ui.add_space(6.0);
        for file in &checked.files {
            report_ui(ui, file);
        }
    }
}

fn row_ui(ui: &mut Ui, lora: &ListedLora, width: f32, used: &[LoraChoice], actions: &mut Vec<ModelsAction>) {
    let problem = lora.files.iter().find_map(|file| file.problem.as_ref());
    let name = RichText::new(&lora.name);
    let name = if problem.is_some() { name.color(theme::tokens(ui).error) } else { name };
    let places: Vec<_> = lora.files.iter().map(|file| file.file.display().to_string()).collect();
    let hover = problem.into_iter().cloned().chain(places).collect::<Vec<_>>().join("\n");
    ui.allocate_ui_with_layout(vec2(width, theme::ROW_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(width);
        ui.add(Label::new(name).truncate().show_tooltip_when_elided(false)).on_hover_text(hover);
    });
    let summary = lora.files.iter().find_map(|file| file.summary.as_ref());
    ui.label(summary.map_or_else(|| "–".to_owned(), |summary| list(&summary.methods)));
    ui.label(summary.map_or_else(|| "–".to_owned(), |summary| list(&summary.ranks)));
    ui.label(experts(lora, summary));
    ui.label(if summary.is_none() { "–".to_owned() } else { lora.size.to_string() });
    let files = || lora.files.iter().map(|file| file.file.clone()).collect::<Vec<_>>();
    if let Some(used) = used.iter().find(|used| lora.files.iter().any(|file| file.file == used.file)) {
        let mut strength = used.strength;
        let value = DragValue::new(&mut strength).range(-10.0..=10.0).speed(0.01).max_decimals(2);
        let label = format!("Strength of {}", lora.name);
        let value = ui.add(value);
        ui.ctx().accesskit_node_builder(value.id, |node| node.set_label(label));
        if value.on_hover_text("1 is as it was trained, 0 is none of it").changed() {
            actions.push(ModelsAction::LoraStrength(files(), strength));
        }
        let text = format!("Remove {} from the form", lora.name);
        if ui.button("Remove").on_hover_text(text).clicked() {
            actions.push(ModelsAction::DropLora(files()));
        }
    } else {
        ui.weak("–");
        let add = ui.add_enabled(problem.is_none(), Button::new("Add"));
        if add.on_hover_text(format!("Add {} to the form", lora.name)).clicked() {
            actions.push(ModelsAction::UseLora(files()));
        }
    }
    let check = ui.button("Check").on_hover_text(format!("See how {} fits the form's model", lora.name));
    if check.clicked() {
        actions.push(ModelsAction::CheckLora(lora.name.clone()));
    }
}

/// The experts that a LoRA is for, in words.
fn experts(lora: &ListedLora, summary: Option<&LoraSummary>) -> &'static str {
    let by_keys = summary.map(|summary| summary.experts.as_slice()).unwrap_or_default();
    match (lora.is_pair(), by_keys, lora.files.first().and_then(|file| file.expert)) {
        (false, [], None) if summary.is_none() => "–",
        (true, ..) => "high and low, two files",
        (_, [Expert::High, Expert::Low], _) => "high and low, one file",
        (_, [Expert::High], _) | (_, [], Some(Expert::High)) => "high noise",
        (_, [Expert::Low], _) | (_, [], Some(Expert::Low)) => "low noise",
        _ => "both",
    }
}

fn list<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "–".to_owned();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The report of one file, in the words of `wandeck lora show`.
fn report_ui(ui: &mut Ui, file: &ListedLoraFile) {
    ui.strong(file.file.file_name().unwrap_or_default().to_string_lossy().into_owned());
    if let Some(summary) = &file.summary {
        let width = summary.width.map(|width| format!(", width {width}")).unwrap_or_default();
        ui.label(format!("{}, {}{width}", summary.format, counted(summary.keys as u64, "key")));
        if !summary.trigger_words.is_empty() {
            ui.label(format!("Trigger words: {}", list(&summary.trigger_words)));
        }
        if let Some(advice) = summary.advice {
            ui.label(format!("Distilled: use it with {advice}"));
        }
    }
    if let Some(problem) = &file.problem {
        ui.add(Label::new(RichText::new(problem).color(theme::tokens(ui).error)).wrap());
    }
    let Some(fit) = &file.fit else { return };
    for (expert, report) in fit.reports() {
        let of = if expert.is_empty() { String::new() } else { format!(", {expert}") };
        ui.label(format!("On {}{of}: {}", fit.model, counts(report)));
        for line in report.reasons().iter().chain(&report.notes) {
            ui.add(Label::new(RichText::new(line).weak()).wrap());
        }
    }
}

fn counts(report: &LoraReport) -> String {
    format!(
        "{}, {}, {}",
        counted(report.matched.len() as u64, "matched module"),
        counted(report.skipped.len() as u64, "skipped key"),
        counted(report.all_zero.len() as u64, "all-zero key")
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::plan::{Folders, installed_loras};

    #[test]
    fn a_pair_is_one_row_that_adds_both_files_and_shows_their_fit() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("models/loras");
        std::fs::create_dir_all(&folder).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["inkHigh.safetensors", "inkLow.safetensors"] {
            std::fs::copy(root.join("tests/golden/loras/musubi.safetensors"), folder.join(name)).unwrap();
        }
        let loras = installed_loras(&Folders { data: dir.path().to_path_buf(), models: None });
        let mut checked = loras[0].clone();
        let model = root.join("tests/golden/models/tiny-t2v");
        let model = crate::models::open(&model);
        checked.files = checked.files.into_iter().map(|file| file.with_fit(&model)).collect();
        let mut harness = Harness::builder().with_context_setup(theme::install).build_ui_state(
            move |ui, actions: &mut Vec<ModelsAction>| {
                loras_ui(ui, LorasView { loras: &loras, checked: Some(&checked), used: &[] }, "", actions);
            },
            Vec::new(),
        );
        harness.get_by_label("high and low, two files");
        let fits: Vec<_> = harness
            .query_all_by_label_contains("20 matched modules, 0 skipped keys, 0 all-zero keys")
            .collect();
        assert_eq!(fits.len(), 2);
        harness.get_by_role_and_label(Role::Button, "Add").click();
        harness.run();
        let files = vec![folder.join("inkHigh.safetensors"), folder.join("inkLow.safetensors")];
        assert_eq!(*harness.state(), [ModelsAction::UseLora(files)]);
    }
}
