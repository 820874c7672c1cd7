//! What can be fetched, the plan of a fetch, and how far it is.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{Button, Grid, Label, ProgressBar, RichText, ScrollArea, Ui};

use super::panel::{ModelsAction, ModelsView};
use crate::app::theme;
use crate::core::{Bytes, Mode};
use crate::models::fetch::{FetchPlan, FetchProgress, PlannedFile, SizeFit};

/// Largest height of a plan's files in points, so that the buttons below stay in reach.
const FILES_HEIGHT: f32 = 140.0;
/// How often the progress is drawn again.
const REPAINT: Duration = Duration::from_millis(200);

/// A variant of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct AvailableModel {
    /// The name to fetch it by, `t2v-A14B-fp8_scaled`.
    pub(in crate::app) name: String,
    /// Its modes.
    pub(in crate::app) modes: Vec<Mode>,
    /// The name of its variant, which is its precision.
    pub(in crate::app) precision: String,
    /// What it is for.
    pub(in crate::app) purpose: String,
    /// SPDX name of its licence.
    pub(in crate::app) licence: String,
    /// Its size as far as the manifest knows it, in words.
    pub(in crate::app) size: String,
    /// Whether it fits this machine, roughly.
    pub(in crate::app) fit: SizeFit,
    /// The folder that it goes to.
    pub(in crate::app) folder: PathBuf,
    /// Whether it is there, complete.
    pub(in crate::app) is_here: bool,
}

/// What is being fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::app) enum FetchStatus {
    /// Nothing.
    #[default]
    Idle,
    /// The hub is asked for the files of this model.
    Planning(String),
    /// The plan is shown, and waits for a yes.
    Planned(Box<FetchPlan>),
    /// It is being fetched.
    Running(Box<FetchPlan>, FetchProgress),
    /// It stopped, by a pause or an error, and can go on.
    Paused(Box<FetchPlan>, FetchProgress),
}

impl AvailableModel {
    /// Whether it is fetched, and how far that is, in words.
    pub(super) fn state(&self, fetch: &FetchStatus) -> String {
        let percent = |progress: &FetchProgress| 100 * progress.done.0 / progress.of.0.max(1);
        match fetch {
            FetchStatus::Running(plan, progress) if plan.folder == self.folder => {
                format!("{} %, downloading", percent(progress))
            }
            FetchStatus::Paused(plan, progress) if plan.folder == self.folder => {
                format!("{} %, paused", percent(progress))
            }
            FetchStatus::Planned(plan) if plan.folder == self.folder => "planned".to_owned(),
            FetchStatus::Planning(name) if *name == self.name => "asking the hub".to_owned(),
            _ => "available".to_owned(),
        }
    }

    /// Whether it is part of a list with these words and this mode.
    pub(super) fn is_found(&self, words: &str, mode: Option<Mode>, fetch: &FetchStatus) -> bool {
        let text = format!("{} {} {}", self.name, self.purpose, self.state(fetch)).to_lowercase();
        mode.is_none_or(|mode| self.modes.contains(&mode))
            && words.split_whitespace().all(|word| text.contains(word))
    }

    /// The colour and the words of its fit.
    pub(super) fn fit_text(&self, ui: &Ui) -> RichText {
        let tokens = theme::tokens(ui);
        let colour = match self.fit {
            SizeFit::Whole => tokens.good,
            SizeFit::InTurn => tokens.warning,
            SizeFit::TooLarge => tokens.error,
            SizeFit::Unknown => ui.visuals().weak_text_color(),
        };
        RichText::new(self.fit.to_string()).color(colour)
    }

    /// The button that shows what fetching it would do.
    fn fetch_ui(&self, ui: &mut Ui, fetch: &FetchStatus, actions: &mut Vec<ModelsAction>) {
        let is_free = !matches!(fetch, FetchStatus::Planning(_) | FetchStatus::Running(..));
        let button = ui.add_enabled(is_free, Button::new(format!("Fetch {}…", self.name)));
        let button = button.on_hover_text("Shows the files, their sizes and the free space first");
        if button.on_disabled_hover_text("Another model is being fetched").clicked() {
            actions.push(ModelsAction::PlanFetch(self.name.clone()));
        }
    }
}

/// Draws what is known of a model that can be fetched, before it is here.
pub(super) fn available_detail_ui(
    ui: &mut Ui,
    one: &AvailableModel,
    fetch: &FetchStatus,
    actions: &mut Vec<ModelsAction>,
) {
    ui.label(RichText::new(&one.name).strong().size(theme::HEADING));
    ui.weak(one.state(fetch));
    ui.add(Label::new(&one.purpose).wrap());
    one.fetch_ui(ui, fetch, actions);
    ui.add_space(6.0);
    Grid::new("available detail").num_columns(2).spacing([14.0, 4.0]).show(ui, |ui| {
        let modes = one.modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let folder = one.folder.display().to_string();
        for (name, text) in [
            ("Modes", modes.as_str()),
            ("Precision", &one.precision),
            ("Size", &one.size),
            ("Licence", &one.licence),
            ("Folder", &folder),
        ] {
            ui.weak(name);
            ui.add(Label::new(text).wrap());
            ui.end_row();
        }
        ui.weak("This machine");
        ui.label(one.fit_text(ui));
        ui.end_row();
    });
}

/// Draws what the manifest has and is not here.
pub(super) fn available_ui(
    ui: &mut Ui,
    view: &ModelsView<'_>,
    mode: Option<Mode>,
    actions: &mut Vec<ModelsAction>,
) {
    let is_shown = |one: &&AvailableModel| !one.is_here && mode.is_none_or(|mode| one.modes.contains(&mode));
    let shown: Vec<_> = view.available.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return;
    }
    ui.strong("Available to download");
    Grid::new("available").num_columns(6).striped(true).spacing([14.0, 6.0]).show(ui, |ui| {
        for head in ["Model", "Modes", "Size", "Licence", "This machine", ""] {
            ui.weak(head);
        }
        ui.end_row();
        for one in shown {
            ui.label(&one.name).on_hover_text(&one.purpose);
            ui.label(one.modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            ui.label(&one.size);
            ui.label(&one.licence);
            ui.label(one.fit_text(ui));
            one.fetch_ui(ui, view.fetch, actions);
            ui.end_row();
        }
    });
}

/// Draws the plan, or how far the fetch is.
pub(super) fn fetch_ui(ui: &mut Ui, fetch: &FetchStatus, actions: &mut Vec<ModelsAction>) {
    match fetch {
        FetchStatus::Idle => {}
        FetchStatus::Planning(name) => {
            ui.horizontal(|ui| {
                ui.label(format!("Asking the hub for the files of {name}"));
                if ui.button("Stop asking").clicked() {
                    actions.push(ModelsAction::StopFetch);
                }
            });
        }
        FetchStatus::Planned(plan) => plan_ui(ui, plan, actions),
        FetchStatus::Running(plan, progress) => {
            progress_ui(ui, plan, progress, "");
            if ui.button("Pause").on_hover_text("The downloaded part is kept").clicked() {
                actions.push(ModelsAction::StopFetch);
            }
            ui.ctx().request_repaint_after(REPAINT);
        }
        FetchStatus::Paused(plan, progress) => {
            progress_ui(ui, plan, progress, ", paused");
            ui.horizontal(|ui| {
                if ui.button("Resume").clicked() {
                    actions.push(ModelsAction::StartFetch);
                }
                if ui.button("Close").on_hover_text("The downloaded part is kept").clicked() {
                    actions.push(ModelsAction::CloseFetch);
                }
            });
        }
    }
}

fn plan_ui(ui: &mut Ui, plan: &FetchPlan, actions: &mut Vec<ModelsAction>) {
    ui.strong(format!("Fetch {} {}, licence {}", plan.id, plan.variant, plan.licence));
    let is_listed = |file: &&PlannedFile| file.file.size > Bytes(1 << 20) || plan.files.len() <= 8;
    ScrollArea::vertical().id_salt("files").max_height(FILES_HEIGHT).show(ui, |ui| {
        for file in plan.files.iter().filter(is_listed) {
            file_ui(ui, file);
        }
    });
    let free = plan.free.map(|free| format!(", {free} free")).unwrap_or_default();
    ui.label(format!("{} in all, {} to fetch{free}", plan.total(), plan.to_fetch()));
    let room = plan.check_space();
    if let Err(error) = &room {
        ui.add(Label::new(RichText::new(error.to_string()).color(theme::tokens(ui).error)).wrap());
    }
    ui.horizontal(|ui| {
        let name = if plan.to_fetch() == Bytes(0) {
            "Link files".to_owned()
        } else {
            format!("Fetch {}", plan.to_fetch())
        };
        if ui.add_enabled(room.is_ok(), Button::new(name)).clicked() {
            actions.push(ModelsAction::StartFetch);
        }
        if ui.button("Not now").clicked() {
            actions.push(ModelsAction::CloseFetch);
        }
    });
}

fn file_ui(ui: &mut Ui, file: &PlannedFile) {
    ui.add(Label::new(format!("{}, {}: {}", file.to, file.file.size, file.state_words())).truncate());
}

fn progress_ui(ui: &mut Ui, plan: &FetchPlan, progress: &FetchProgress, end: &str) {
    let fraction = progress.done.0 as f32 / progress.of.0.max(1) as f32;
    ui.label(format!("Fetching {} {}", plan.id, plan.variant));
    let text = format!("{progress}{end}");
    ui.add(ProgressBar::new(fraction).text(text).desired_width(420.0));
}
