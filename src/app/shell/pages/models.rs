//! What a person asks of the models: verifying, converting and removing them in the background.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::state::{PageAnswer, Purpose, RunningTask, TaskProgress};
use crate::app::panels::models::{ModelTask, ModelsAction, RemovedModel, RoleChoice};
use crate::app::shell::app::State;
use crate::app::shell::notifications::Tone;
use crate::core::{Bytes, CancelToken, ComponentFiles, Error, Kind, Result, Secs, Utc, counted};
use crate::library::{move_to_bin, restore_from_bin};
use crate::models::convert::{
    ConversionOptions, ConversionStep, ConversionTarget, convert_with, default_name,
};
use crate::models::{self, Installed, Removal, RoleHints, VerifiedModels, VerifyOptions};
use crate::plan::{ListedLora, check_removable, jobs_that_need};

impl State {
    /// Carries out what was asked of the models.
    pub(in crate::app::shell) fn apply_models(&mut self, action: ModelsAction) -> Result<()> {
        match action {
            ModelsAction::Use(id) => self.form.choose_model(&id)?,
            ModelsAction::Scan => {
                self.read_manifest()?;
                self.scan_models();
            }
            ModelsAction::Verify(id) => self.verify_model(&id)?,
            ModelsAction::Convert(id, target) => self.convert_model(&id, target)?,
            ModelsAction::CancelTask => {
                if let Some(task) = &self.pages.task {
                    task.cancel.cancel();
                }
            }
            ModelsAction::Remove(id) => self.remove_model(&id)?,
            ModelsAction::BringBack => self.bring_back()?,
            ModelsAction::Move(from, to) => {
                self.page_work(move || PageAnswer::Moved(models::move_misplaced(&from, &to).map(|()| to)))?;
            }
            ModelsAction::Reveal(path) => {
                let folder =
                    if path.is_dir() { path } else { path.parent().map(Path::to_path_buf).unwrap_or(path) };
                opener::open(&folder).map_err(|error| {
                    Error::new(Kind::Io, format!("{} cannot be shown", folder.display())).because(error)
                })?;
            }
            ModelsAction::UseFolder(folder) => self.use_models_folder(folder.display().to_string())?,
            ModelsAction::BrowseFolder => self.browse(Purpose::SettingFolder("models.folder")),
            ModelsAction::PlanFetch(name) => self.plan_fetch(name)?,
            ModelsAction::StartFetch => self.start_fetch(),
            ModelsAction::StopFetch => self.pages.fetch.cancel(),
            ModelsAction::CloseFetch => self.pages.fetch.close(),
            ModelsAction::UseLora(files) => {
                for file in files {
                    self.open_file(file, Instant::now());
                }
            }
            ModelsAction::LoraStrength(files, strength) => {
                for lora in self.form.draft.loras.iter_mut().filter(|lora| files.contains(&lora.file)) {
                    lora.strength = strength;
                }
            }
            ModelsAction::DropLora(files) => {
                self.form.draft.loras.retain(|lora| !files.contains(&lora.file));
            }
            ModelsAction::CheckLora(name) => self.check_lora(&name)?,
            ModelsAction::Describe(id) => self.describe_model(id)?,
            ModelsAction::EditRoles(model, files) => {
                self.pages.roles = RoleChoice { model, files, problem: None };
            }
            ModelsAction::BrowseRole(model, role) => self.browse_role(model, role),
            ModelsAction::UseRoles(model, files) => self.use_roles(&model, files)?,
            ModelsAction::FindRuntime => self.look_at_runtime(false)?,
            ModelsAction::CheckProviders => self.look_at_runtime(true)?,
            ModelsAction::InstallRuntime => self.install_runtime()?,
            ModelsAction::InstallPackage(name) => self.install_runtime_package(&name)?,
            ModelsAction::RemovePackage(name) => self.remove_runtime_package(&name)?,
        }
        Ok(())
    }

    /// Compares a LoRA with the form's model in the background.
    fn check_lora(&self, name: &str) -> Result<()> {
        let model = self.model(&self.form.draft.model)?.path;
        let chosen = self.form.draft.components.clone();
        let Some(lora) = self.pages.loras.iter().find(|lora| lora.name == name).cloned() else {
            return Ok(());
        };
        let data_dir = self.data_dir.clone();
        self.page_work(move || {
            let model = models::open_with(&model, RoleHints::new(Some(&data_dir), &chosen));
            let files = lora.files.into_iter().map(|file| file.with_fit(&model)).collect();
            PageAnswer::LoraChecked(Box::new(ListedLora { files, ..lora }))
        })
    }

    /// The files that a person chose for the components of the model `id`; none for any but the form's.
    pub(super) fn chosen_files_of(&self, id: &str) -> ComponentFiles {
        let draft = &self.form.draft;
        if draft.model == id { draft.components.clone() } else { ComponentFiles::default() }
    }

    pub(super) fn model(&self, id: &str) -> Result<Installed> {
        self.models().iter().find(|model| model.id == id).cloned().ok_or_else(|| {
            Error::new(Kind::MissingModel, format!("The model {id} is no longer there"))
                .remedy("Rescan the models")
        })
    }

    /// Starts a task on the models' thread; one at a time.
    pub(super) fn start_task(
        &mut self,
        what: String,
        total: Option<u64>,
        work: impl FnOnce(&CancelToken, &TaskProgress) -> PageAnswer + Send + 'static,
    ) -> Result<()> {
        let progress =
            TaskProgress { total: AtomicU64::new(total.unwrap_or_default()), ..TaskProgress::default() };
        let (progress, cancel) = (Arc::new(progress), CancelToken::new());
        let task = RunningTask {
            what,
            progress: Arc::clone(&progress),
            started: Instant::now(),
            cancel: cancel.clone(),
        };
        if self.pages.task.is_some() || !self.pages.long_work.submit(move || work(&cancel, &progress)) {
            return Err(Error::new(Kind::Input, "Another task of the models is running")
                .remedy("Wait until that is done"));
        }
        self.pages.task = Some(task);
        Ok(())
    }

    pub(super) fn verify_model(&mut self, id: &str) -> Result<()> {
        let model = self.model(id)?;
        let files = self.chosen_files_of(id);
        let id = model.id.clone();
        let data_dir = self.data_dir.clone();
        self.start_task(format!("Verifying {id}"), None, move |cancel, progress| {
            let mut more = |bytes| progress.add(bytes);
            let options = VerifyOptions { files, ..VerifyOptions::new(&data_dir, &model.path) };
            // an error is that of verifying
            progress.downloaded(Bytes(0), models::size_to_verify(&model.path, &options).ok());
            let report = models::verify(&model.path, &options, cancel, &mut more);
            if !report.as_ref().is_err_and(|error| error.kind == Kind::Cancelled) {
                VerifiedModels::new(&data_dir).note(&model, Utc::now());
            }
            PageAnswer::Verified(id, report)
        })
    }

    fn convert_model(&mut self, id: &str, target: ConversionTarget) -> Result<()> {
        let model = self.model(id)?;
        let total = model.info.as_ref().map_or(1, |info| info.size().0);
        let data_dir = self.data_dir.clone();
        let dir = data_dir.join("models").join(default_name(&model.id, target));
        self.start_task(format!("Converting {id}"), Some(total), move |cancel, progress| {
            let mut report = |step: ConversionStep| {
                if let ConversionStep::Done(bytes) = step {
                    progress.add(bytes);
                }
            };
            let options = ConversionOptions::new(target);
            let hints = RoleHints::remembered(&data_dir);
            let done = convert_with(&model.path, hints, &dir, options, cancel, &mut report);
            PageAnswer::Converted(done.map(Box::new))
        })
    }

    fn remove_model(&self, id: &str) -> Result<()> {
        let model = self.model(id)?;
        let removal = Removal::plan(&model, self.models())?;
        check_removable(id, &jobs_that_need(&model, &removal, self.queue.iter()))?;
        self.page_work(move || {
            let removed = removal.paths.iter().try_for_each(|path| move_to_bin(path));
            let Removal { paths, frees, .. } = removal;
            PageAnswer::Removed(removed.map(|()| RemovedModel { id: model.id, frees, paths }))
        })
    }

    /// Takes the model that was removed last out of the bin.
    fn bring_back(&self) -> Result<()> {
        let Some(RemovedModel { id, paths, .. }) = self.pages.removed.clone() else { return Ok(()) };
        self.page_work(move || PageAnswer::BroughtBack(restore_from_bin(&paths).map(|()| id)))
    }

    /// Takes in what became of a task.
    pub(super) fn take_model_answer(&mut self, answer: PageAnswer) -> Result<()> {
        match answer {
            PageAnswer::VerifyDue(id) => self.verify_when_idle(id),
            PageAnswer::Verified(id, report) => {
                self.pages.task = None;
                let was_idle = self.pages.idle_verify.is_working();
                self.pages.idle_verify.ended();
                if report.as_ref().is_err_and(|error| error.kind == Kind::Cancelled) {
                    self.pages.idle_verify.found_nothing(Instant::now());
                    return Ok(());
                }
                let (tone, text) = match &report {
                    Ok(report) if report.is_sound() => {
                        (Tone::Good, format!("{id} is sound: {} read", report.read))
                    }
                    Ok(report) => {
                        let places = counted(report.num_damaged() as u64, "place");
                        let first = report.lines().next().unwrap_or_default();
                        let remedy = report.remedy();
                        (Tone::Error, format!("{id} is damaged in {places}; the first: {first}. {remedy}"))
                    }
                    Err(error) => (Tone::Error, format!("{id} cannot be verified: {error:#}")),
                };
                // nobody asked for it, so only what is wrong is worth a notification
                if was_idle && tone == Tone::Good {
                    tracing::info!("{text}");
                } else {
                    self.notifications.add(tone, text, None);
                }
                self.pages.verified.insert(id, report);
            }
            PageAnswer::Converted(converted) => {
                self.pages.task = None;
                let converted = match converted {
                    Err(error) if error.kind == Kind::Cancelled => return Ok(()),
                    other => other?,
                };
                let (before, after) = converted.report.sizes();
                let worst = converted.report.worst(1);
                let worst = worst.first().map(|layer| {
                    format!("; largest relative error {:.1e} in {}", layer.relative_l2, layer.name)
                });
                let text = format!("Converted {before} to {after}{}", worst.unwrap_or_default());
                self.notifications.add(Tone::Good, text, None);
                self.scan_models();
            }
            PageAnswer::Removed(_) | PageAnswer::BroughtBack(_) | PageAnswer::Moved(_) => {
                return self.take_moved_files(answer);
            }
            PageAnswer::LorasFitted(id, loras) => {
                if let Some(detail) = self.pages.details.get_mut(&id) {
                    detail.loras = Some(loras);
                }
            }
            PageAnswer::LoraChecked(lora) => self.pages.checked_lora = Some(*lora),
            PageAnswer::Runtime(status) => self.pages.runtime = Some(status),
            PageAnswer::Installed(installed) => {
                self.pages.task = None;
                return self.take_installed(installed);
            }
            PageAnswer::Described(id, detail) => drop(self.pages.details.insert(id, *detail)),
            PageAnswer::RolesTried(files, opened) => return self.take_roles(files, *opened),
            PageAnswer::Available(_) | PageAnswer::Planned(_) | PageAnswer::Fetched(_) => {
                return self.take_fetch_answer(answer);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes in what became of files that were moved: to the bin, out of it, or to where they are found.
    fn take_moved_files(&mut self, answer: PageAnswer) -> Result<()> {
        let text = match answer {
            PageAnswer::Removed(removed) => {
                let removed = removed?;
                let text = format!("{} is in the bin: {}", removed.id, removed.frees);
                self.pages.removed = Some(removed);
                text
            }
            PageAnswer::BroughtBack(id) => {
                let text = format!("{} is back", id?);
                self.pages.removed = None;
                text
            }
            PageAnswer::Moved(place) => format!("Moved to {}", place?.display()),
            _ => return Ok(()),
        };
        self.notifications.add(Tone::Good, text, None);
        self.read_manifest()?;
        self.scan_models();
        Ok(())
    }

    /// What is being done with a model, for the panel.
    pub(in crate::app::shell) fn model_task(&self) -> Option<ModelTask> {
        let task = self.pages.task.as_ref()?;
        let bytes = |count: &AtomicU64| Bytes(count.load(Ordering::Relaxed));
        let total = Some(bytes(&task.progress.total)).filter(|total| total.0 > 0);
        let elapsed = Secs::from(task.started.elapsed());
        Some(ModelTask { what: task.what.clone(), done: bytes(&task.progress.done), total, elapsed })
    }
}
