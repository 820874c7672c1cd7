//! The models on this machine: the list, the selected one, and ONNX Runtime.

use std::collections::BTreeMap;
use std::path::PathBuf;

use eframe::egui::{Button, ComboBox, Label, ProgressBar, RichText, ScrollArea, TextEdit, Ui};

use super::available::{AvailableModel, FetchStatus, available_ui, fetch_ui};
use super::detail::detail_ui;
use super::list::list_ui;
use super::loras::{LorasView, loras_ui};
use super::others::others_ui;
use crate::app::theme;
use crate::core::{Mode, Result, counted};
use crate::jobs::Job;
use crate::models::convert::ConversionTarget;
use crate::models::{Installed, OtherFile, VerifyReport};
use crate::plan::ModelFit;
use crate::presets::Preset;

/// Narrower, the details stand below the list.
const WIDE: f32 = 1250.0;

/// What is being done with a model in the background.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct ModelTask {
    /// For instance "Verifying toy-t2v-A14B".
    pub(in crate::app) what: String,
    /// How much of it is done, 0 to 1.
    pub(in crate::app) fraction: f32,
}

/// ONNX Runtime and its providers, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct RuntimeStatus {
    /// Version, build and place, or why there is none.
    pub(in crate::app) runtime: String,
    /// Each provider with its device, or why it cannot be used and what to do.
    pub(in crate::app) providers: Vec<(bool, String)>,
}

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct ModelsView<'a> {
    /// Installed models, including unusable ones.
    pub(in crate::app) models: &'a [Installed],
    /// How well they fit this machine.
    pub(in crate::app) fits: &'a [ModelFit],
    /// What verifying them found, by id.
    pub(in crate::app) verified: &'a BTreeMap<String, Result<VerifyReport>>,
    /// The form's model.
    pub(in crate::app) chosen: &'a str,
    /// Whether a scan is running.
    pub(in crate::app) is_scanning: bool,
    /// What is being done with a model.
    pub(in crate::app) task: Option<&'a ModelTask>,
    /// What can be fetched.
    pub(in crate::app) available: &'a [AvailableModel],
    /// What is being fetched.
    pub(in crate::app) fetch: &'a FetchStatus,
    /// The queue.
    pub(in crate::app) queue: &'a [Job],
    /// The presets.
    pub(in crate::app) presets: &'a [Preset],
    /// ONNX Runtime, once it was looked at.
    pub(in crate::app) runtime: Option<&'a RuntimeStatus>,
    /// Checkpoint files that are part of no model.
    pub(in crate::app) others: &'a [OtherFile],
    /// The LoRAs.
    pub(in crate::app) loras: LorasView<'a>,
}

/// Actions of the models panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) enum ModelsAction {
    /// Select this model in the form.
    Use(String),
    /// Scan the folders again.
    Scan,
    /// Read every byte of this model.
    Verify(String),
    /// Make a smaller copy of this model.
    Convert(String, ConversionTarget),
    /// Stop what is being done with a model.
    CancelTask,
    /// Move this model's own files to the bin.
    Remove(String),
    /// Show this folder in the file manager.
    Reveal(PathBuf),
    /// Look for models in this folder, too.
    UseFolder(PathBuf),
    /// Choose a folder to look for models in.
    BrowseFolder,
    /// Add the files of a LoRA to the form.
    UseLora(Vec<PathBuf>),
    /// See how the LoRA of this name fits the form's model.
    CheckLora(String),
    /// Look at ONNX Runtime and its providers.
    CheckRuntime,
    /// Show what fetching this model of the manifest would do.
    PlanFetch(String),
    /// Fetch what the plan shows, or go on with it.
    StartFetch,
    /// Stop fetching; the downloaded part is kept.
    PauseFetch,
    /// Put the plan away; the downloaded part is kept.
    CloseFetch,
}

/// The view state of the models panel.
#[derive(Default)]
pub(in crate::app) struct ModelsPanel {
    search: String,
    mode: Option<Mode>,
    selected: Option<String>,
    folder: String,
    /// The model whose removal was asked for, until it is confirmed.
    removing: Option<String>,
}

impl ModelsPanel {
    /// Draws the models; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>) -> Vec<ModelsAction> {
        let mut actions = Vec::new();
        self.toolbar_ui(ui, view, &mut actions);
        if let Some(task) = view.task {
            ui.horizontal(|ui| {
                ui.add(ProgressBar::new(task.fraction).text(&task.what).desired_width(320.0));
                if ui.button("Stop").clicked() {
                    actions.push(ModelsAction::CancelTask);
                }
            });
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(200));
        }
        fetch_ui(ui, view.fetch, &mut actions);
        ui.separator();
        if ui.available_width() >= WIDE {
            ui.columns(2, |columns| {
                let [left, right] = columns else { return };
                ScrollArea::vertical().id_salt("list").auto_shrink([false, false]).show(left, |ui| {
                    self.left_ui(ui, view, &mut actions);
                });
                ScrollArea::vertical().id_salt("detail").auto_shrink([false, false]).show(right, |ui| {
                    self.right_ui(ui, view, &mut actions);
                });
            });
        } else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.left_ui(ui, view, &mut actions);
                ui.separator();
                self.right_ui(ui, view, &mut actions);
            });
        }
        actions
    }

    fn toolbar_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search models");
            let edit =
                TextEdit::singleline(&mut self.search).hint_text("name, file or state").desired_width(170.0);
            ui.add(edit).labelled_by(label.id);
            let name = |mode: Option<Mode>| mode.map_or_else(|| "all".to_owned(), |mode| mode.to_string());
            let label = ui.label("Mode");
            let combo = ComboBox::from_id_salt("mode").selected_text(name(self.mode)).show_ui(ui, |ui| {
                for mode in [None, Some(Mode::T2V), Some(Mode::I2V), Some(Mode::TI2V)] {
                    ui.selectable_value(&mut self.mode, mode, name(mode));
                }
            });
            combo.response.labelled_by(label.id);
            if ui.add_enabled(!view.is_scanning, Button::new("Rescan")).clicked() {
                actions.push(ModelsAction::Scan);
            }
            ui.weak(if view.is_scanning {
                "Scanning…".to_owned()
            } else {
                format!("{} on this machine", counted(view.models.len() as u64, "model"))
            });
        });
    }

    fn left_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        list_ui(ui, view, &self.search, self.mode, &mut self.selected);
        others_ui(ui, view.others);
        ui.add_space(10.0);
        loras_ui(ui, view.loras, &self.search, actions);
        ui.add_space(10.0);
        self.add_ui(ui, view, actions);
        ui.add_space(10.0);
        available_ui(ui, view, self.mode, actions);
        ui.add_space(10.0);
        runtime_ui(ui, view.runtime, actions);
    }

    fn right_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        let selected = self.selected.as_deref().unwrap_or(view.chosen);
        match view.models.iter().find(|model| model.id == selected) {
            Some(model) => detail_ui(ui, model, view, &mut self.removing, actions),
            None => {
                ui.weak("Select a model to see what it is made of");
            }
        }
    }

    /// Which files a first video needs, and where to look for them.
    fn add_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        let has_official = view.models.iter().any(|model| model.family.is_some());
        if !has_official && !view.is_scanning {
            ui.strong("No official Wan 2.2 model yet");
            let about = "The toy models only draw shapes. For real videos, fetch one of the models below, or point \
                         Wandeck to the folder of one that you have; nothing is copied.";
            ui.add(Label::new(about).wrap());
        }
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Existing folder");
            let edit = TextEdit::singleline(&mut self.folder).hint_text("path of a folder with models");
            ui.add(edit.desired_width(200.0)).labelled_by(label.id);
            let text = self.folder.trim();
            if ui.add_enabled(!text.is_empty(), Button::new("Look here")).clicked() {
                actions.push(ModelsAction::UseFolder(PathBuf::from(text)));
            }
            if ui.button("Browse models…").clicked() {
                actions.push(ModelsAction::BrowseFolder);
            }
        });
    }
}

fn runtime_ui(ui: &mut Ui, runtime: Option<&RuntimeStatus>, actions: &mut Vec<ModelsAction>) {
    ui.strong("ONNX Runtime");
    if let Some(status) = runtime {
        ui.add(Label::new(&status.runtime).wrap());
        for (is_usable, text) in &status.providers {
            let colour = theme::tokens(ui);
            let text = RichText::new(text).color(if *is_usable { colour.good } else { colour.warning });
            ui.add(Label::new(text).wrap());
        }
    }
    let name = if runtime.is_some() { "Check again" } else { "Check ONNX Runtime" };
    if ui.button(name).clicked() {
        actions.push(ModelsAction::CheckRuntime);
    }
}
