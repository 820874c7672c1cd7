//! The list of models, variants under the model that they are made of.

use eframe::egui::{Grid, Label, RichText, Ui};

use super::available::AvailableModel;
use super::panel::ModelsView;
use crate::app::theme;
use crate::core::{Mode, counted};
use crate::models::Installed;
use crate::plan::MemoryFit;

/// Ends of the ids of converted copies.
const VARIANTS: [&str; 4] = ["-int8", "-int4", "-fp8", "-bf16"];

/// The id of the model that `id` is a variant of, or `id`.
fn base(id: &str) -> &str {
    VARIANTS.iter().find_map(|end| id.strip_suffix(end)).unwrap_or(id)
}

pub(super) fn list_ui(
    ui: &mut Ui,
    view: &ModelsView<'_>,
    search: &str,
    mode: Option<Mode>,
    selected: &mut Option<String>,
) {
    let words = search.to_lowercase();
    let is_shown = |model: &&Installed| {
        let modes = model.limits.as_ref().map(|limits| limits.modes.as_slice()).unwrap_or_default();
        let text = format!("{} {} {}", model.id, model.path.display(), state(model, view).1).to_lowercase();
        mode.is_none_or(|mode| modes.contains(&mode))
            && words.split_whitespace().all(|word| text.contains(word))
    };
    let mut shown: Vec<_> = view.models.iter().filter(is_shown).collect();
    shown.sort_by_key(|model| (base(&model.id), model.id.as_str()));
    if shown.is_empty() && !view.is_scanning {
        ui.weak(if view.models.is_empty() { "No models found" } else { "No model on disk matches" });
        return;
    }
    Grid::new("models").num_columns(7).striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
        for head in ["Model", "Modes", "Precision", "On disk", "Licence", "This machine", "State"] {
            ui.weak(head);
        }
        ui.end_row();
        for model in &shown {
            let is_variant = shown.iter().any(|other| other.id != model.id && other.id == base(&model.id));
            row_ui(ui, model, is_variant, view, selected);
            ui.end_row();
        }
    });
}

/// The models of the manifest that are not on the disk.
pub(super) fn available_list_ui(
    ui: &mut Ui,
    view: &ModelsView<'_>,
    search: &str,
    mode: Option<Mode>,
    selected: &mut Option<String>,
) {
    let words = search.to_lowercase();
    // a folder that is listed as a model already, complete or not, is not listed twice
    let is_listed =
        |one: &AvailableModel| view.models.iter().any(|model| model.path.starts_with(&one.folder));
    let available = view.available.iter().filter(|one| !one.is_here && !is_listed(one));
    let available: Vec<_> = available.filter(|one| one.is_found(&words, mode, view.fetch)).collect();
    if available.is_empty() {
        return;
    }
    ui.add_space(10.0);
    ui.strong("Not on disk");
    Grid::new("not on disk").num_columns(7).striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
        for head in ["Model", "Modes", "Precision", "Size", "Licence", "This machine", "State"] {
            ui.weak(head);
        }
        ui.end_row();
        for one in available {
            available_row_ui(ui, one, view, selected);
            ui.end_row();
        }
    });
}

/// A model that can be fetched.
fn available_row_ui(ui: &mut Ui, one: &AvailableModel, view: &ModelsView<'_>, selected: &mut Option<String>) {
    let is_selected = selected.as_ref() == Some(&one.name);
    let response = ui.selectable_label(is_selected, RichText::new(&one.name).weak());
    if response.clicked() {
        *selected = Some(one.name.clone());
    }
    response.on_hover_text(&one.purpose);
    ui.weak(one.modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    ui.weak(&one.precision);
    ui.weak(&one.size);
    ui.weak(&one.licence);
    ui.label(one.fit_text(ui));
    ui.weak(one.state(view.fetch));
}

fn row_ui(
    ui: &mut Ui,
    model: &Installed,
    is_variant: bool,
    view: &ModelsView<'_>,
    selected: &mut Option<String>,
) {
    let is_selected = selected.as_deref().unwrap_or(view.chosen) == model.id;
    let name = if is_variant { format!("    {}", model.id) } else { model.id.clone() };
    let text = if is_variant { RichText::new(name) } else { RichText::new(name).strong() };
    let response = ui.selectable_label(is_selected, text);
    if response.clicked() {
        *selected = Some(model.id.clone());
    }
    response.on_hover_text(model.folder().display().to_string());
    let modes = model.limits.as_ref().map(|limits| limits.modes.clone()).unwrap_or_default();
    ui.label(modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    ui.label(model.info.as_ref().map_or("–", |info| precision(info)));
    ui.label(model.info.as_ref().map_or_else(|| "–".to_owned(), |info| info.size().to_string()));
    ui.label(licence(model, view));
    let fit = view.fits.iter().find(|fit| fit.model == model.id);
    let tokens = theme::tokens(ui);
    let (colour, text) = match fit.map(|fit| (fit.fit, fit.needed)) {
        None => (ui.visuals().weak_text_color(), "–".to_owned()),
        Some((fit, needed)) => {
            let needed = needed.map(|needed| format!(" · {needed}")).unwrap_or_default();
            match fit {
                MemoryFit::Fits => (tokens.good, format!("fits{needed}")),
                MemoryFit::Tight => (tokens.warning, format!("tight{needed}")),
                MemoryFit::TooLarge => (tokens.error, format!("too large{needed}")),
            }
        }
    };
    ui.label(RichText::new(text).color(colour));
    let (is_good, text) = state(model, view);
    let colour = if is_good { tokens.good } else { tokens.error };
    ui.add(Label::new(RichText::new(&text).color(colour)).truncate().show_tooltip_when_elided(false))
        .on_hover_text(text);
}

/// The licence that the model was fetched under.
fn licence<'a>(model: &Installed, view: &ModelsView<'a>) -> &'a str {
    let fetched = view.available.iter().find(|one| model.path.starts_with(&one.folder));
    fetched.map_or("not known", |one| one.licence.as_str())
}

/// The precision of the transformer, which is most of a model.
fn precision(info: &crate::models::ModelInfo) -> &'static str {
    info.components.first().map_or("–", |part| part.precision)
}

/// Whether a model can be used, and its state in words.
pub(super) fn state(model: &Installed, view: &ModelsView<'_>) -> (bool, String) {
    use crate::core::Kind;
    match (&model.limits, view.verified.get(&model.id)) {
        (Err(error), _) => {
            let word = match error.kind {
                Kind::MissingModel => "partial",
                Kind::CorruptModel => "corrupt",
                Kind::Unsupported => "not supported",
                _ => "not usable",
            };
            (false, format!("{word}: {}", error.message))
        }
        (Ok(_), None) => (true, "ready".to_owned()),
        (Ok(_), Some(Ok(report))) if report.is_sound() => (true, "ready, verified".to_owned()),
        (Ok(_), Some(Ok(report))) => {
            (false, format!("damaged in {}", counted(report.num_damaged() as u64, "place")))
        }
        (Ok(_), Some(Err(error))) => (false, format!("not verified: {}", error.message)),
    }
}
