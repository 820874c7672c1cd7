//! The model selector, with size on disk and precision.

use eframe::egui::{Align, Button, ComboBox, Label, Layout, RichText, Ui};

use super::view::{ComposeAction, ComposeView, PreflightStatus, PreflightView};
use crate::app::theme;
use crate::app::widgets::chosen_files::chosen_files_ui;
use crate::app::widgets::field::problem_frame_ui;
use crate::core::{Bytes, ComponentFiles, Draft, Severity, Subject};
use crate::models::Installed;
use crate::plan::{MemoryFit, ModelFit};

/// Role of the low-noise expert in `ModelInfo`.
const SECOND_EXPERT: &str = "low-noise expert";

/// Width of the list.
const LIST_WIDTH: f32 = 360.0;

/// Draws the chooser of models, and which of the model's files were chosen by hand.
pub(in crate::app) fn ui(
    ui: &mut Ui,
    view: &ComposeView<'_>,
    draft: &mut Draft,
    actions: &mut Vec<ComposeAction>,
) {
    let current = view.draft.model.as_str();
    let label = ui
        .horizontal(|ui| {
            let label = ui.label("Model");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| fit_ui(ui, view.preflight));
            label
        })
        .inner;
    let text = match chosen(view).and_then(description) {
        Some(description) => format!("{current} · {description}"),
        None if !view.is_scanned => "Looking for models…".to_owned(),
        None if view.models.is_empty() => "no model".to_owned(),
        None => current.to_owned(),
    };
    let chooser = ComboBox::from_id_salt("model").selected_text(text).width(ui.available_width()).truncate();
    let response = chooser.show_ui(ui, |ui| {
        ui.set_min_width(LIST_WIDTH);
        if !view.is_scanned {
            ui.weak("Looking for models…");
        }
        for model in view.models {
            entry_ui(ui, model, view, actions);
        }
    });
    let response = response.response.labelled_by(label.id);
    if view.is_scanned {
        problem_frame_ui(ui, response.rect, &["model"], view.problems);
    }
    response.on_hover_text("Which of the models on this machine makes the video");
    if let Some(about) = view.about_model {
        // what an official model can draw needs no words
        let label =
            Label::new(RichText::new(about).small().weak()).truncate().show_tooltip_when_elided(false);
        ui.add(label).on_hover_text(about);
    }
    if !draft.components.is_empty() {
        chosen_files_ui(ui, &draft.components);
        let back = ui.small_button("Let Wandeck choose the files");
        if back.on_hover_text("Forgets the files that you chose for this model").clicked() {
            draft.components = ComponentFiles::default();
        }
    }
}

/// One model of the list with its size, precision and fit.
fn entry_ui(ui: &mut Ui, model: &Installed, view: &ComposeView<'_>, actions: &mut Vec<ComposeAction>) {
    let (current, broken) = (view.draft.model.as_str(), model.limits.as_ref().err());
    ui.horizontal(|ui| {
        let button = Button::selectable(model.id == current, model.id.as_str());
        let entry = ui.add_enabled(broken.is_none(), button);
        let entry = match broken {
            Some(error) => entry.on_disabled_hover_text(format!("{error:#}")),
            None => entry,
        };
        if entry.clicked() {
            ui.close();
            if model.id != current {
                actions.push(ComposeAction::ChooseModel(model.id.clone()));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let fit = view.fits.iter().find(|fit| fit.model == model.id);
            match (broken, fit) {
                (Some(_), _) => {
                    ui.label(RichText::new("cannot be used").small().color(theme::tokens(ui).error));
                }
                (None, Some(fit)) => model_fit_ui(ui, fit),
                (None, None) => {}
            }
            if let Some(description) = description(model) {
                ui.label(RichText::new(description).small().weak());
            }
        });
    });
}

/// Whether a model fits this machine with its own defaults.
fn model_fit_ui(ui: &mut Ui, fit: &ModelFit) {
    let tokens = theme::tokens(ui);
    let (text, colour) = match fit.fit {
        MemoryFit::Fits => ("fits", tokens.good),
        MemoryFit::Tight => ("tight", tokens.warning),
        MemoryFit::TooLarge => ("too large", tokens.error),
    };
    let needed = fit.needed.map(|needed| format!("{needed} of memory")).unwrap_or_default();
    let about = format!("{needed} with its own defaults");
    ui.label(RichText::new(text).small().color(colour)).on_hover_text(about.trim().to_owned());
}

/// For instance "15.1 GiB · int8"; the precision is the transformer's.
fn description(model: &Installed) -> Option<String> {
    let info = model.info.as_ref()?;
    let precision = info.components.first()?.precision;
    Some(format!("{} · {precision}", info.size()))
}

/// Shows whether the free memory is enough, according to preflight.
fn fit_ui(ui: &mut Ui, preflight: PreflightStatus<'_>) {
    let tokens = theme::tokens(ui);
    match preflight {
        PreflightStatus::Done(Ok(found)) => {
            let worst = found.findings.iter().filter(|finding| finding.subject == Subject::Memory);
            let (text, colour) = match worst.map(|finding| finding.severity).max() {
                Some(Severity::Blocker) => ("does not fit", tokens.error),
                Some(Severity::Warning) => ("may not fit", tokens.warning),
                _ => ("fits", tokens.good),
            };
            let text = format!("{text}{}", amounts(found));
            let about = "Memory that the video needs at most, of the memory that is free";
            ui.label(RichText::new(text).color(colour)).on_hover_text(about);
        }
        PreflightStatus::Pending(_) => {
            ui.weak("estimating…");
        }
        PreflightStatus::Done(Err(_)) | PreflightStatus::Off => {}
    }
}

/// For instance " · 1.2 of 22 GiB", where both are known.
fn amounts(found: &PreflightView) -> String {
    let gib = |bytes: Bytes| bytes.0 as f64 / f64::from(1 << 30);
    let (Some(peak), Some(free)) = (found.peak, found.free) else { return String::new() };
    let decimals = usize::from(gib(free) < 10.0);
    format!(" · {:.1} of {:.decimals$} GiB", gib(peak), gib(free))
}

/// The installed model that the form names.
pub(in crate::app) fn chosen<'a>(view: &ComposeView<'a>) -> Option<&'a Installed> {
    view.models.iter().find(|model| model.id == view.draft.model)
}

/// Whether the form's model has a high-noise and a low-noise expert.
pub(in crate::app) fn has_two_experts(view: &ComposeView<'_>) -> bool {
    let info = chosen(view).and_then(|model| model.info.as_ref());
    info.is_some_and(|info| info.components.iter().any(|component| component.role == SECOND_EXPERT))
}

#[cfg(test)]
mod tests {
    use eframe::egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::panels::compose::fixture::{ComposeHarness, harness};
    use crate::core::Finding;

    fn chooser(severity: Option<Severity>) -> Harness<'static, ComposeHarness> {
        let finding = |severity| Finding {
            severity,
            subject: Subject::Memory,
            message: "The run needs too much".into(),
            fixes: Vec::new(),
            figures: Vec::new(),
        };
        let found = PreflightView {
            peak: Some(Bytes(1_288_490_189)),
            free: Some(Bytes(22 << 30)),
            findings: severity.map(finding).into_iter().collect(),
            ..PreflightView::default()
        };
        let bench = ComposeHarness { preflight: Some(Ok(found)), ..ComposeHarness::new() };
        chooser_of(bench)
    }

    fn chooser_of(bench: ComposeHarness) -> Harness<'static, ComposeHarness> {
        harness(bench, |ui, view| {
            let (mut draft, mut actions) = (view.draft.clone(), Vec::new());
            super::ui(ui, view, &mut draft, &mut actions);
            if draft != *view.draft {
                actions.push(ComposeAction::Edit(Box::new(draft)));
            }
            actions
        })
    }

    #[test]
    fn files_chosen_by_hand_are_said_and_can_be_forgotten() {
        let mut bench = ComposeHarness::new();
        bench.draft.components.vae = Some("/m/vae/mine.safetensors".into());
        let mut harness = chooser_of(bench);
        harness.get_by_label("VAE chosen by you: /m/vae/mine.safetensors");
        harness.get_by_label("Let Wandeck choose the files").click();
        harness.run();
        assert!(harness.state().draft.components.is_empty());
        assert!(harness.query_by_label("Let Wandeck choose the files").is_none());
    }

    #[test]
    fn the_badge_says_whether_the_memory_is_enough() {
        chooser(None).get_by_label("fits · 1.2 of 22 GiB");
        chooser(Some(Severity::Note)).get_by_label("fits · 1.2 of 22 GiB");
        chooser(Some(Severity::Warning)).get_by_label("may not fit · 1.2 of 22 GiB");
        chooser(Some(Severity::Blocker)).get_by_label("does not fit · 1.2 of 22 GiB");
    }

    #[test]
    fn the_chosen_model_shows_its_size_and_precision_and_another_can_be_chosen() {
        let mut harness = chooser(None);
        let chooser = harness.get_by_role_and_label(Role::ComboBox, "Model");
        assert_eq!(chooser.value().as_deref(), Some("toy-t2v-A14B · 2.0 GiB · bf16"));
        chooser.click();
        harness.run();
        harness.get_by_label("1.5 GiB · bf16");
        harness.get_by_label("too large");
        harness.get_by_label("toy-i2v-5B").click();
        harness.run();
        assert_eq!(harness.state().actions, [ComposeAction::ChooseModel("toy-i2v-5B".into())]);
    }
}
