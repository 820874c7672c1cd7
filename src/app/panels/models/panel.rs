//! The models on this machine: the list, the selected one, and ONNX Runtime.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{Button, ComboBox, Frame, Label, Panel, ProgressBar, RichText, ScrollArea, TextEdit, Ui};

use super::available::{AvailableModel, FetchStatus, available_detail_ui, available_ui, fetch_ui};
use super::detail::detail_ui;
use super::list::{available_list_ui, list_ui};
use super::loras::{LorasView, loras_ui};
use super::others::others_ui;
use super::report::ModelDetail;
use super::roles::RoleChoice;
use super::runtime::{RuntimeStatus, runtime_ui};
use crate::app::background::inputs::InputSource;
use crate::app::widgets::chosen_files::ComponentRole;
use crate::app::widgets::field::is_entered;
use crate::app::widgets::halves::halves_ui;
use crate::core::{Bytes, ComponentFiles, Mode, Result, Secs, counted};
use crate::jobs::Job;
use crate::models::convert::ConversionTarget;
use crate::models::{Installed, OtherFile, VerifyReport};
use crate::plan::ModelFit;
use crate::presets::Preset;

/// Narrower, the details stand below the list.
const WIDE: f32 = 1250.0;

/// Part of the height that the list takes at most where the details stand below it.
const LIST_PART: f32 = 0.45;

/// Height of the row for a task.
const TASK_HEIGHT: f32 = 30.0;
/// Width of a task's bar.
const BAR_WIDTH: f32 = 200.0;
/// Time between two repaints while a task runs.
const TASK_REPAINT: Duration = Duration::from_millis(200);

/// What is being done with a model in the background.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct ModelTask {
    /// For instance "Verifying toy-t2v-A14B".
    pub(in crate::app) what: String,
    /// Bytes done.
    pub(in crate::app) done: Bytes,
    /// Bytes to do, if that is known.
    pub(in crate::app) total: Option<Bytes>,
    /// How long it has been running.
    pub(in crate::app) elapsed: Secs,
}

impl ModelTask {
    /// How much of it is done, 0 to 1; none if that is not known.
    fn fraction(&self) -> Option<f32> {
        self.total.map(|total| (self.done.0 as f32 / total.0.max(1) as f32).min(1.0))
    }

    /// What is done, of how much, and since when.
    fn progress_words(&self) -> String {
        let amount = match (self.done, self.total) {
            (Bytes(0), _) => String::new(),
            (done, Some(total)) => format!("{} of {total} · ", done.min(total)),
            (done, None) => format!("{done} · "),
        };
        format!("{amount}{}", self.elapsed)
    }
}

/// A model that was moved to the bin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct RemovedModel {
    /// Its id.
    pub(in crate::app) id: String,
    /// Disk space that it takes in the bin.
    pub(in crate::app) frees: Bytes,
    /// Where it was.
    pub(in crate::app) paths: Vec<PathBuf>,
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
    /// The files that the form chooses for its components.
    pub(in crate::app) components: &'a ComponentFiles,
    /// Files that are being chosen by hand.
    pub(in crate::app) roles: &'a RoleChoice,
    /// What is known of models beyond their files, by id.
    pub(in crate::app) details: &'a BTreeMap<String, ModelDetail>,
    /// Whether a scan is running.
    pub(in crate::app) is_scanning: bool,
    /// What is being done with a model.
    pub(in crate::app) task: Option<&'a ModelTask>,
    /// The model that was removed last and can be brought back.
    pub(in crate::app) removed: Option<&'a RemovedModel>,
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
#[derive(Clone, Debug, PartialEq)]
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
    /// Take the model that was removed last out of the bin.
    BringBack,
    /// Move this file to this place.
    Move(PathBuf, PathBuf),
    /// Show this folder in the file manager.
    Reveal(PathBuf),
    /// Look for models in this folder, too.
    UseFolder(PathBuf),
    /// Choose a folder to look for models in.
    BrowseFolder,
    /// Add the files of a LoRA to the form.
    UseLora(Vec<PathBuf>),
    /// Use the form's LoRAs of these files with this strength.
    LoraStrength(Vec<PathBuf>, f32),
    /// Remove the LoRAs of these files from the form.
    DropLora(Vec<PathBuf>),
    /// See how the LoRA of this name fits the form's model.
    CheckLora(String),
    /// Find out what this model can do and needs.
    Describe(String),
    /// Change the files that are being chosen by hand for this model.
    EditRoles(String, ComponentFiles),
    /// Choose a file for a role of this model in a dialog.
    BrowseRole(String, ComponentRole),
    /// Use this model with these files.
    UseRoles(String, ComponentFiles),
    /// Look for ONNX Runtime and what can be installed.
    FindRuntime,
    /// Open ONNX Runtime and check its providers.
    CheckProviders,
    /// Fetch the build of ONNX Runtime for this machine.
    InstallRuntime,
    /// Install the runtime package of this name.
    InstallPackage(String),
    /// Remove the runtime package of this name.
    RemovePackage(String),
    /// Show what fetching this model of the manifest would do.
    PlanFetch(String),
    /// Fetch what the plan shows, or go on with it.
    StartFetch,
    /// Stop asking the hub or fetching; the downloaded part is kept.
    StopFetch,
    /// Put the plan away; the downloaded part is kept.
    CloseFetch,
}

/// A page of the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    OnDisk,
    Download,
    Loras,
    Runtime,
}

/// The view state of the models panel.
#[derive(Default)]
pub(in crate::app) struct ModelsPanel {
    /// The page that was chosen. Until then: the models, or what can be downloaded if there is none.
    page: Option<Page>,
    /// Whether ONNX Runtime was looked for.
    has_asked_runtime: bool,
    /// The model that was asked about last, until the answer is there.
    described: Option<String>,
    search: String,
    lora_search: String,
    mode: Option<Mode>,
    selected: Option<String>,
    folder: String,
    /// The model whose removal was asked for, until it is confirmed.
    removing: Option<String>,
}

/// How many there are, on one line.
fn count_ui(ui: &mut Ui, count: usize, what: &str) {
    ui.add(Label::new(RichText::new(counted(count as u64, what)).weak()).extend());
}

impl ModelsPanel {
    #[cfg(test)]
    pub(super) fn at_download() -> Self {
        Self { page: Some(Page::Download), ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn at_loras() -> Self {
        Self { page: Some(Page::Loras), ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn at_runtime() -> Self {
        Self { page: Some(Page::Runtime), ..Self::default() }
    }

    /// Draws the models; returns the user's actions.
    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>) -> Vec<ModelsAction> {
        let mut actions = Vec::new();
        self.toolbar_ui(ui, view, &mut actions);
        let page = self.page(view);
        // its place is kept, so that nothing moves when a task begins
        let place = Panel::bottom("task").resizable(false).show_separator_line(false).frame(Frame::NONE);
        place.exact_size(TASK_HEIGHT).show(ui, |ui| {
            if let Some(task) = view.task {
                task_ui(ui, task, &mut actions);
            } else if let Some(removed) = view.removed {
                removed_ui(ui, removed, &mut actions);
            }
        });
        fetch_ui(ui, view.fetch, &mut actions);
        ui.separator();
        if page == Page::Download {
            ScrollArea::vertical().id_salt("download").auto_shrink([false, false]).show(ui, |ui| {
                self.add_ui(ui, &mut actions);
                ui.add_space(10.0);
                available_ui(ui, view, self.mode, &mut actions);
            });
        } else if page == Page::Loras {
            ScrollArea::vertical().id_salt("loras").auto_shrink([false, false]).show(ui, |ui| {
                loras_ui(ui, view.loras, &self.lora_search, &mut actions);
            });
        } else if page == Page::Runtime {
            self.ask_for_runtime(&mut actions);
            ScrollArea::vertical().id_salt("runtime").auto_shrink([false, false]).show(ui, |ui| {
                runtime_ui(ui, view.runtime, view.task, &mut actions);
            });
        } else if ui.available_width() >= WIDE {
            halves_ui(ui, |left, right| {
                ScrollArea::both().id_salt("list").auto_shrink([false, false]).show(left, |ui| {
                    self.lists_ui(ui, view, &mut actions);
                });
                ScrollArea::vertical().id_salt("detail").auto_shrink([false, false]).show(right, |ui| {
                    self.right_ui(ui, view, &mut actions);
                });
            });
        } else {
            // each has a part of the height, so that a long list does not hide the selected model
            let height = LIST_PART * ui.available_height();
            let list = ScrollArea::both().id_salt("list").auto_shrink([false, true]).max_height(height);
            list.show(ui, |ui| {
                self.lists_ui(ui, view, &mut actions);
            });
            ui.separator();
            ScrollArea::vertical().id_salt("detail").auto_shrink([false, false]).show(ui, |ui| {
                self.right_ui(ui, view, &mut actions);
            });
        }
        actions
    }

    /// Looks for ONNX Runtime when its page is opened for the first time.
    fn ask_for_runtime(&mut self, actions: &mut Vec<ModelsAction>) {
        if !self.has_asked_runtime {
            self.has_asked_runtime = true;
            actions.push(ModelsAction::FindRuntime);
        }
    }

    fn page(&self, view: &ModelsView<'_>) -> Page {
        let has_none = view.models.is_empty() && !view.is_scanning;
        self.page.unwrap_or(if has_none { Page::Download } else { Page::OnDisk })
    }

    fn toolbar_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        ui.horizontal_wrapped(|ui| {
            let pages = [
                (Page::OnDisk, "On disk"),
                (Page::Download, "Download"),
                (Page::Loras, "LoRAs"),
                (Page::Runtime, "ONNX Runtime"),
            ];
            for (page, name) in pages {
                if ui.selectable_label(self.page(view) == page, name).clicked() {
                    self.page = Some(page);
                }
            }
            let page = self.page(view);
            if page == Page::Runtime {
                return;
            }
            ui.separator();
            if page == Page::OnDisk {
                let label = ui.label("Search models");
                let edit = TextEdit::singleline(&mut self.search).hint_text("name, file or state");
                ui.add(edit.desired_width(140.0)).labelled_by(label.id);
            }
            if page == Page::Loras {
                let label = ui.label("Search LoRAs");
                let edit = TextEdit::singleline(&mut self.lora_search).hint_text("name");
                ui.add(edit.desired_width(170.0)).labelled_by(label.id);
            } else {
                self.mode_ui(ui);
            }
            if ui.add_enabled(!view.is_scanning, Button::new("Rescan")).clicked() {
                actions.push(ModelsAction::Scan);
            }
            if view.is_scanning {
                ui.weak("Scanning…");
            } else if page == Page::OnDisk {
                count_ui(ui, view.models.len(), "model");
            } else if page == Page::Loras {
                count_ui(ui, view.loras.loras.len(), "LoRA");
            }
        });
    }

    fn mode_ui(&mut self, ui: &mut Ui) {
        let name = |mode: Option<Mode>| mode.map_or_else(|| "all".to_owned(), |mode| mode.to_string());
        let label = ui.label("Mode");
        let combo = ComboBox::from_id_salt("mode").selected_text(name(self.mode)).show_ui(ui, |ui| {
            for mode in [None, Some(Mode::T2V), Some(Mode::I2V), Some(Mode::TI2V)] {
                ui.selectable_value(&mut self.mode, mode, name(mode));
            }
        });
        combo.response.labelled_by(label.id);
    }

    /// What is on the disk, then what can be downloaded.
    fn lists_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        list_ui(ui, view, &self.search, self.mode, &mut self.selected);
        self.first_model_ui(ui, view);
        others_ui(ui, view.others, actions);
        available_list_ui(ui, view, &self.search, self.mode, &mut self.selected);
    }

    /// What to do without an official model.
    fn first_model_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>) {
        let has_official = view.models.iter().any(|model| model.family.is_some());
        if !has_official && !view.is_scanning {
            ui.add_space(10.0);
            ui.strong("No official Wan 2.2 model yet");
            let toys = if view.models.is_empty() { "" } else { "The toy models only draw shapes. " };
            let about = format!("{toys}Real videos need a model that you have or download.");
            ui.add(Label::new(about).wrap());
            ui.horizontal(|ui| {
                if ui.button("Show what can be downloaded").clicked() {
                    self.page = Some(Page::Download);
                }
            });
            ui.add_space(10.0);
        }
    }

    fn right_ui(&mut self, ui: &mut Ui, view: &ModelsView<'_>, actions: &mut Vec<ModelsAction>) {
        let selected = self.selected.as_deref().unwrap_or(view.chosen);
        match view.models.iter().find(|model| model.id == selected) {
            Some(model) => {
                let is_known = view.details.contains_key(&model.id) || view.is_scanning;
                if !is_known && self.described.as_ref() != Some(&model.id) {
                    self.described = Some(model.id.clone());
                    actions.push(ModelsAction::Describe(model.id.clone()));
                } else if is_known {
                    // it is asked for again when it is not known any more
                    self.described = None;
                }
                detail_ui(ui, model, view, &mut self.removing, actions);
            }
            None => match view.available.iter().find(|one| one.name == selected) {
                Some(one) => available_detail_ui(ui, one, view.fetch, actions),
                None => drop(ui.weak("Select a model to see what it is made of")),
            },
        }
    }

    /// Where to look for models that are on this machine.
    fn add_ui(&mut self, ui: &mut Ui, actions: &mut Vec<ModelsAction>) {
        ui.strong("On this machine already");
        let about = "Wandeck also looks for models in a folder of yours; nothing is copied.";
        ui.add(Label::new(about).wrap());
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Existing folder");
            let edit = TextEdit::singleline(&mut self.folder).hint_text("path of a folder with models");
            let edit = ui.add(edit.desired_width(200.0)).labelled_by(label.id);
            let folder = InputSource::parse(&self.folder);
            let look = ui.add_enabled(folder.is_some(), Button::new("Look here"));
            if look.clicked() || is_entered(ui, &edit) {
                actions.extend(folder.map(ModelsAction::UseFolder));
            }
            if ui.button("Browse models…").clicked() {
                actions.push(ModelsAction::BrowseFolder);
            }
        });
    }
}

/// Says what is in the bin, with a button to take it out again.
fn removed_ui(ui: &mut Ui, removed: &RemovedModel, actions: &mut Vec<ModelsAction>) {
    ui.horizontal_centered(|ui| {
        if ui.button(format!("Bring back {}", removed.id)).clicked() {
            actions.push(ModelsAction::BringBack);
        }
        let text = format!("It is in the bin until that is emptied: {}", removed.frees);
        ui.add(Label::new(RichText::new(text).weak()).truncate());
    });
}

/// What a task does and how far it is, with a button to stop it.
fn task_ui(ui: &mut Ui, task: &ModelTask, actions: &mut Vec<ModelsAction>) {
    ui.horizontal_centered(|ui| {
        if ui.button("Stop").clicked() {
            actions.push(ModelsAction::CancelTask);
        }
        // an empty bar where it is not known how much there is to do
        ui.add(ProgressBar::new(task.fraction().unwrap_or_default()).desired_width(BAR_WIDTH));
        ui.add(Label::new(format!("{} · {}", task.what, task.progress_words())).truncate());
    });
    ui.ctx().request_repaint_after(TASK_REPAINT);
}
