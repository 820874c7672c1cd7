//! Which file plays which role in the selected model, chosen by hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use eframe::egui::{Button, CollapsingHeader, Grid, ScrollArea, TextEdit, Ui};

use super::panel::{ModelsAction, ModelsView};
use crate::app::widgets::chosen_files::ComponentRole;
use crate::app::widgets::field::problem_text_ui;
use crate::core::{ComponentFiles, Error};
use crate::models::Installed;

/// Width of a path's field in points.
const PATH_WIDTH: f32 = 260.0;
/// Largest height of the menu of files in points.
const MENU_HEIGHT: f32 = 260.0;

/// Files that a person chooses for the components of a model, before they are used.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct RoleChoice {
    /// The id of the model.
    pub(in crate::app) model: String,
    /// The files.
    pub(in crate::app) files: ComponentFiles,
    /// Why they cannot be used, once that was tried.
    pub(in crate::app) problem: Option<Error>,
}

impl RoleChoice {
    /// The choice for `model`, which is what the form has until it is changed.
    fn of(model: &Installed, view: &ModelsView<'_>) -> Self {
        if view.roles.model == model.id {
            return view.roles.clone();
        }
        Self { model: model.id.clone(), files: used(model, view), problem: None }
    }
}

/// The chosen files that the form uses for `model`.
fn used(model: &Installed, view: &ModelsView<'_>) -> ComponentFiles {
    if model.id == view.chosen { view.components.clone() } else { ComponentFiles::default() }
}

/// Draws a row for each role. It is open where a file has to be chosen.
pub(super) fn roles_ui(
    ui: &mut Ui,
    model: &Installed,
    view: &ModelsView<'_>,
    actions: &mut Vec<ModelsAction>,
) {
    let choice = RoleChoice::of(model, view);
    let asks = |error: &Error| ComponentRole::ALL.iter().any(|role| error.field_name() == Some(field(*role)));
    let must_choose = model.limits.as_ref().is_err_and(asks);
    let header = CollapsingHeader::new("Files by role").id_salt(("roles", &model.id));
    header.default_open(must_choose || !choice.files.is_empty()).show(ui, |ui| {
        let mut edited = choice.files.clone();
        let known = known_files(model, view);
        Grid::new("roles").num_columns(4).spacing([8.0, 6.0]).show(ui, |ui| {
            for role in ComponentRole::ALL {
                row_ui(ui, role, model, &known, &mut edited, actions);
                ui.end_row();
            }
        });
        if edited != choice.files {
            actions.push(ModelsAction::EditRoles(model.id.clone(), edited.clone()));
        }
        ui.horizontal_wrapped(|ui| {
            let is_new = edited != used(model, view);
            let button = ui.add_enabled(is_new, Button::new("Use these files"));
            let button = button.on_hover_text("Looks into the files, then selects the model with them");
            if button.on_disabled_hover_text("The form has these files already").clicked() {
                actions.push(ModelsAction::UseRoles(model.id.clone(), edited));
            }
            ui.weak("An empty field lets Wandeck choose");
        });
        if let Some(problem) = &choice.problem {
            problem_text_ui(ui, problem);
        }
    });
}

/// The name of a role in errors.
fn field(role: ComponentRole) -> &'static str {
    match role {
        ComponentRole::Vae => "vae",
        ComponentRole::TextEncoder => "text_encoder",
        ComponentRole::High => "high",
        ComponentRole::Low => "low",
    }
}

fn row_ui(
    ui: &mut Ui,
    role: ComponentRole,
    model: &Installed,
    known: &[PathBuf],
    edited: &mut ComponentFiles,
    actions: &mut Vec<ModelsAction>,
) {
    let label = ui.label(role.label());
    let mut text = role.file(edited).map(|file| file.display().to_string()).unwrap_or_default();
    let hint = now_used(model, role).unwrap_or_else(|| "path of a file".to_owned());
    let field = TextEdit::singleline(&mut text).hint_text(hint).desired_width(PATH_WIDTH);
    if ui.add(field).labelled_by(label.id).changed() {
        let text = text.trim();
        role.set(edited, (!text.is_empty()).then(|| PathBuf::from(text)));
    }
    ui.menu_button(format!("Choose {}", role.label()), |ui| {
        if ui.button("Let Wandeck choose").clicked() {
            role.set(edited, None);
            ui.close();
        }
        ui.separator();
        if known.is_empty() {
            ui.weak("No other file was found beside the model");
        }
        ScrollArea::vertical().max_height(MENU_HEIGHT).show(ui, |ui| {
            for path in known {
                if ui.button(short(path, &model.path)).on_hover_text(path.display().to_string()).clicked() {
                    role.set(edited, Some(path.clone()));
                    ui.close();
                }
            }
        });
    });
    if ui.button(format!("Browse {}…", role.label())).clicked() {
        actions.push(ModelsAction::BrowseRole(model.id.clone(), role));
    }
}

/// The file that the model uses for a role, without its folder.
fn now_used(model: &Installed, role: ComponentRole) -> Option<String> {
    let part = model.info.as_ref()?.components.iter().find(|part| is_named(role, part.role))?;
    let name = part.files.first()?.file_name()?.to_string_lossy().into_owned();
    Some(if part.files.len() > 1 { format!("{name} and {} more", part.files.len() - 1) } else { name })
}

/// Files that may play a role in the model: those beside it first, then those that other models use.
fn known_files(model: &Installed, view: &ModelsView<'_>) -> Vec<PathBuf> {
    let beside = view.details.get(&model.id).into_iter().flat_map(|detail| detail.files.iter().cloned());
    let beside: BTreeSet<PathBuf> = beside.collect();
    let parts = view.models.iter().flat_map(|model| &model.info).flat_map(|info| &info.components);
    let single = parts.filter(|part| part.files.len() == 1).flat_map(|part| part.files.iter().cloned());
    let of_others: BTreeSet<PathBuf> = single.filter(|file| !beside.contains(file)).collect();
    beside.into_iter().chain(of_others).collect()
}

/// A path as short as it is clear: below the model's folder, else its last two parts.
fn short(path: &Path, model: &Path) -> String {
    let folder = if model.is_dir() { Some(model) } else { model.parent() };
    if let Some(below) = folder.and_then(|folder| path.strip_prefix(folder).ok()) {
        return below.display().to_string();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    format!("{folder}/{name}")
}

/// Whether `role` is a name that `ComponentInfo` has for a component.
fn is_named(component: ComponentRole, role: &str) -> bool {
    match component {
        ComponentRole::Vae => role == "vae",
        ComponentRole::TextEncoder => role == "text encoder",
        ComponentRole::High => role == "high-noise expert" || role == "transformer",
        ComponentRole::Low => role == "low-noise expert",
    }
}
