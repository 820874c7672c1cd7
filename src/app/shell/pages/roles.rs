//! What is known of a model beyond its files, and the files that a person chooses for its roles.

use std::fs;
use std::path::{Path, PathBuf};

use super::state::{PageAnswer, Purpose};
use crate::app::form::open_with_files;
use crate::app::panels::models::{ModelDetail, RoleChoice};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::app::widgets::chosen_files::ComponentRole;
use crate::core::{ComponentFiles, Result};
use crate::models::convert::ConversionReport;
use crate::models::{self, Installed, RoleHints};
use crate::plan::fitting_loras;

/// How deep below a model's folder files are looked for: `vae/FILE`, `models/vae/FILE`.
const DEPTH: usize = 3;
/// Files that are offered at most.
const MAX_FILES: usize = 200;

impl State {
    /// Has a thread find out what a model can do and needs.
    pub(super) fn describe_model(&self, id: String) -> Result<()> {
        let Ok(model) = self.model(&id) else { return Ok(()) };
        let report = self.form.look_at_model(model.clone());
        let (loras, files) = (self.pages.loras.clone(), self.chosen_files_of(&id));
        let (data_dir, path, of) = (self.data_dir.clone(), model.path.clone(), id.clone());
        self.page_work(move || {
            let detail = ModelDetail {
                files: files_beside(&model),
                conversion: ConversionReport::read(&model.path).map(Box::new),
                ..ModelDetail::new(report())
            };
            PageAnswer::Described(id, Box::new(detail))
        })?;
        // after the answer above, because many LoRAs take their time
        self.page_work(move || {
            let opened = models::open_with(&path, RoleHints::new(Some(&data_dir), &files));
            PageAnswer::LorasFitted(of, opened.map(|model| fitting_loras(&loras, &model)))
        })
    }

    /// Has a thread look whether a model can be used with `files`.
    pub(super) fn use_roles(&mut self, id: &str, files: ComponentFiles) -> Result<()> {
        let model = self.model(id)?;
        self.pages.roles = RoleChoice { model: id.to_owned(), files: files.clone(), problem: None };
        let data_dir = self.data_dir.clone();
        self.page_work(move || {
            let opened = open_with_files(&model, RoleHints::new(Some(&data_dir), &files));
            PageAnswer::RolesTried(files, Box::new(opened))
        })
    }

    /// Opens a dialog for the file of a role.
    pub(super) fn browse_role(&mut self, model: String, role: ComponentRole) {
        if self.pages.roles.model != model {
            let files = self.chosen_files_of(&model);
            self.pages.roles = RoleChoice { model, files, problem: None };
        }
        self.browse(Purpose::Role(role));
    }

    /// Takes in whether a model can be used with chosen files: the form then has both.
    pub(super) fn take_roles(&mut self, files: ComponentFiles, opened: Result<Installed>) -> Result<()> {
        match opened {
            Err(problem) => {
                if self.pages.roles.files == files {
                    self.pages.roles.problem = Some(problem);
                }
            }
            Ok(model) => {
                let text = if files.is_empty() {
                    format!("Wandeck chooses the files of {}", model.id)
                } else {
                    format!("The form uses {} with the files that you chose", model.id)
                };
                self.pages.details.clear();
                self.form.choose_files(model, files)?;
                self.pages.roles = RoleChoice::default();
                self.notifications.add(Tone::Good, text, None);
            }
        }
        Ok(())
    }
}

/// Files of weights in the model's folder and below.
fn files_beside(model: &Installed) -> Vec<PathBuf> {
    let folder = if model.path.is_dir() { Some(model.path.as_path()) } else { model.path.parent() };
    let mut files = Vec::new();
    if let Some(folder) = folder {
        collect(folder, DEPTH, &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if files.len() >= MAX_FILES {
            return;
        }
        if path.is_dir() {
            if depth > 1 {
                collect(&path, depth - 1, files);
            }
        } else if path.extension().is_some_and(|end| end == "safetensors" || end == "gguf") {
            files.push(path);
        }
    }
}
