//! The form: its draft, its errors, and the model and mode that it chooses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::editing::Aside;
use super::scan::{ChosenFiles, ModelScan};
use super::state::{FormContext, FormState};
use super::undo::Undo;
use crate::app::background::inputs::{InputSource, InputWell};
use crate::app::background::sweep_planning::SweepBase;
use crate::core::{Draft, Error, Expert, Kind, Limits, LoraChoice, Mode, Resolution, Result, Secs};
use crate::jobs::JobSpec;
use crate::models::{self, Installed};
use crate::plan::{
    Base, Catalog, ChosenBy, DraftChanges, Drafted, Folders, JobOptions, MemoryFit, ModelFit, PlanRequest,
    Planner, Profile, Profiles, SeedChoice, apply_profile,
};
use crate::presets::Preset;
use crate::store::Settings;
use crate::wan::DistilledSettings;
use crate::wan::Family;

/// The model selected at the first start: it needs no download and runs on any machine.
const FIRST_PRESET: &str = "toy-t2v";
/// A prompt that suits the first model.
const FIRST_PROMPT: &str = "a red circle moves right on a black background";
/// Name of the low-noise expert in `ModelInfo`, for a model with two experts.
const SECOND_EXPERT: &str = "low-noise expert";

/// Why the first form has its model.
const FIRST_REASON: &str = "a small model that runs on any machine";

/// The form of the window: a draft, and the planner that makes a job of it.
pub struct Form {
    /// The values that the user has entered.
    pub draft: Draft,
    /// How they came about.
    pub(in crate::app) context: FormContext,
    pub(super) planner: Planner,
    /// The start image that was read last, with its size.
    pub(super) image: Option<(PathBuf, Resolution)>,
    /// What a person put into a well and the window has not read yet.
    pub(super) awaited: Option<(InputWell, InputSource)>,
    /// Whether the folders of models were read.
    is_scanned: bool,
    /// Whether the values are still those of the first start, so that the program may choose a better model.
    is_first: bool,
    /// The chosen files of the last scan.
    pub(super) scanned_files: ChosenFiles,
    fits: Vec<ModelFit>,
    pub(super) aside: Option<Aside>,
    pub(super) undo: Undo,
}

impl Form {
    /// The form at the start of the window, with the toy model. Reads nothing from disk: the models come with
    /// [`Self::take_scan`].
    pub(in crate::app) fn first(
        data_dir: PathBuf,
        models_dir: Option<PathBuf>,
        settings: Settings,
    ) -> Result<Self> {
        let folders = Folders { data: data_dir, models: models_dir };
        let catalog = Catalog::new(Vec::new(), Profiles::shipped()?)?;
        let form = Self::new(Planner::new(folders, settings, catalog))?;
        Ok(Self { is_scanned: false, is_first: true, ..form })
    }

    /// The form at the start of the window, for models that are already scanned.
    pub fn new(planner: Planner) -> Result<Self> {
        let changes = DraftChanges { prompt: Some(FIRST_PROMPT.to_owned()), ..DraftChanges::default() };
        let base = Base::Preset(FIRST_PRESET.to_owned());
        let draft = planner.draft(&PlanRequest { base, changes, ..PlanRequest::default() })?.draft;
        let context = FormContext {
            reason: FIRST_REASON.to_owned(),
            given_size: Some(draft.size),
            ..FormContext::default()
        };
        let undo = Undo::new(FormState { draft: draft.clone(), context: context.clone() });
        Ok(Self {
            draft,
            context,
            planner,
            image: None,
            awaited: None,
            is_scanned: true,
            is_first: false,
            scanned_files: ChosenFiles::default(),
            fits: Vec::new(),
            aside: None,
            undo,
        })
    }

    /// Brings the form of the last time back.
    pub(in crate::app) fn restore(&mut self, draft: Draft, context: FormContext) {
        (self.draft, self.context) = (draft, context);
        self.is_first = false;
        self.undo = Undo::new(self.state());
    }

    pub(super) fn state(&self) -> FormState {
        FormState { draft: self.draft.clone(), context: self.context.clone() }
    }

    /// Makes an undo step of what changed since the last call.
    pub(in crate::app) fn observe(&mut self, now: Instant) {
        self.undo.observe(&self.draft, &self.context, now);
        self.is_first &= !self.undo.can_undo();
    }

    /// Whether there is a change to undo.
    pub(in crate::app) fn can_undo(&self) -> bool {
        self.undo.can_undo()
    }

    /// Whether there is a change to redo.
    pub(in crate::app) fn can_redo(&self) -> bool {
        self.undo.can_redo()
    }

    /// Takes the last change back.
    pub(in crate::app) fn undo(&mut self, now: Instant) {
        self.observe(now);
        if let Some(state) = self.undo.undo() {
            (self.draft, self.context) = (state.draft, state.context);
        }
    }

    /// Makes the change that was undone last again.
    pub(in crate::app) fn redo(&mut self, now: Instant) {
        self.observe(now);
        if let Some(state) = self.undo.redo() {
            (self.draft, self.context) = (state.draft, state.context);
        }
    }

    /// Shows the seed that a video was queued with. It is no change to undo.
    pub(in crate::app) fn show_seed(&mut self, seed: u64, now: Instant) {
        self.observe(now);
        self.draft.seed = seed;
        self.undo.absorb(&self.draft, &self.context);
    }

    /// Where the program keeps its files and looks for models.
    pub(in crate::app) fn folders(&self) -> &Folders {
        self.planner.folders()
    }

    pub(in crate::app) fn settings(&self) -> &Settings {
        self.planner.settings()
    }

    /// Takes in changed settings; limits of the modes count after the next scan.
    pub(in crate::app) fn set_settings(&mut self, settings: Settings) {
        self.planner.set_settings(settings);
    }

    /// Takes in the own presets.
    pub(in crate::app) fn set_presets(&mut self, presets: Vec<Preset>) {
        self.planner.set_presets(presets);
    }

    /// Looks for models in another folder from the next scan on.
    pub(in crate::app) fn set_models_folder(&mut self, folder: Option<PathBuf>) {
        self.planner.set_models_folder(folder);
    }

    /// The models to choose from.
    pub fn models(&self) -> &[Installed] {
        &self.planner.catalog().models
    }

    /// Replaces models and ranges by a new scan; the error is the one of the user's own table of modes.
    pub(in crate::app) fn take_scan(&mut self, scan: ModelScan) -> Option<Error> {
        let (models, profiles, wrong) = scan.into_parts();
        self.planner.set_models(models);
        if let Some(profiles) = profiles {
            self.planner.set_profiles(profiles);
        }
        self.is_scanned = true;
        wrong
    }

    /// Whether the folders of models were read.
    pub(in crate::app) fn is_scanned(&self) -> bool {
        self.is_scanned
    }

    /// A function that finds out how well the models fit this machine, to be called on another thread.
    pub(in crate::app) fn look_at_fits(&self) -> impl FnOnce() -> Vec<ModelFit> + Send + 'static {
        let planner = self.planner.clone();
        move || planner.model_fits()
    }

    /// How well the models fit this machine, as far as it is known.
    pub(in crate::app) fn fits(&self) -> &[ModelFit] {
        &self.fits
    }

    /// Takes in how well the models fit. The form of a first start then takes the best official model that does.
    pub(in crate::app) fn take_fits(&mut self, fits: Vec<ModelFit>) -> Result<()> {
        self.fits = fits;
        let Some(best) = self.best_that_fits().filter(|_| self.is_first) else { return Ok(()) };
        self.is_first = false;
        let prompt = std::mem::take(&mut self.draft.prompt);
        self.choose_model(&best)?;
        // the toy's prompt would be a poor start for a large model
        self.draft.prompt = if prompt == FIRST_PROMPT { String::new() } else { prompt };
        "the best of your models that fits this machine".clone_into(&mut self.context.reason);
        self.undo = Undo::new(self.state());
        Ok(())
    }

    /// The official model for text to video that fits best: first what fits with room, then what is tight.
    fn best_that_fits(&self) -> Option<String> {
        let fit = |id: &str| self.fits.iter().find(|fit| fit.model == id).map(|fit| fit.fit);
        let able = self.models().iter().filter(|model| model.family.is_some());
        let able = able.filter(|model| {
            model.limits.as_ref().is_ok_and(|limits| limits.modes.iter().any(|mode| *mode != Mode::I2V))
        });
        let ranked = able.filter_map(|model| Some((fit(&model.id)?, model)));
        let ranked = ranked.filter(|(fit, _)| *fit != MemoryFit::TooLarge);
        ranked
            .min_by_key(|(fit, model)| (*fit, model.family != Some(Family::A14B)))
            .map(|(_, model)| model.id.clone())
    }

    /// What the form's model can draw, if it is not an official one: they need no explanation.
    pub(in crate::app) fn about_model(&self) -> Option<&str> {
        let model = self.planner.model(&self.draft.model).ok().filter(|model| model.family.is_none())?;
        self.planner.catalog().preset_for(&model.id).map(|preset| preset.description.as_str())
    }

    /// The ranges of the form's mode, if its model is an official one.
    pub(in crate::app) fn profile(&self) -> Option<&Profile> {
        let model = self.planner.model(&self.draft.model).ok()?;
        self.planner.catalog().profiles.of(self.mode()?, model.family)
    }

    /// The reason for the current model and mode.
    pub(in crate::app) fn reason(&self) -> &str {
        &self.context.reason
    }

    /// The mode in which the form would run, if its model can be used.
    pub fn mode(&self) -> Option<Mode> {
        self.planner.mode(&self.draft)
    }

    /// The mode in which a draft would run, if its model can be used.
    pub(in crate::app) fn mode_of(&self, draft: &Draft) -> Option<Mode> {
        self.planner.mode(draft)
    }

    /// Whether the user set the mode, instead of leaving it to the inputs.
    pub(in crate::app) fn is_mode_set(&self) -> bool {
        self.draft.mode.is_some() && self.draft.mode != self.context.routed_mode
    }

    /// A function that scans the folders of models, to be called on another thread.
    pub(in crate::app) fn scan(&mut self) -> impl FnOnce() -> ModelScan + Send + 'static {
        let (folders, settings) = (self.planner.folders().clone(), self.planner.settings().clone());
        let chosen = self.chosen_files();
        self.scanned_files = chosen.clone();
        move || ModelScan::read(&folders, &settings, &chosen)
    }

    /// The errors that prevent the form from running, at most one per field.
    pub fn problems(&self) -> Vec<Error> {
        if !self.is_scanned {
            return vec![Error::new(Kind::MissingModel, "Wandeck is looking for models").field("model")];
        }
        self.planner.problems(&self.draft)
    }

    /// The capabilities of the chosen model.
    pub(in crate::app) fn limits(&self) -> Result<&Limits> {
        self.planner.limits(&self.draft)
    }

    /// Selects a model with its defaults; keeps the prompt, the seed and the images that the model supports.
    pub fn choose_model(&mut self, id: &str) -> Result<()> {
        // a mode set by the user stays if the model supports it
        let offered = |mode: &Mode| {
            let limits = self.planner.model(id).ok().and_then(|model| model.limits.as_ref().ok());
            limits.is_some_and(|limits| limits.modes.contains(mode))
        };
        let mode = self.draft.mode.filter(|_| self.is_mode_set()).filter(offered);
        self.take(DraftChanges { model: Some(id.to_owned()), mode, ..self.kept() })
    }

    /// Selects the best model for a mode with its defaults; keeps the prompt, the seed, the LoRAs and the images that the
    /// model supports.
    pub fn choose_mode(&mut self, mode: Mode) -> Result<()> {
        let changes = DraftChanges { mode: Some(mode), ..self.kept_with_choice() };
        self.take(changes)
    }

    /// Resets a mode that was set: the inputs choose mode and model again.
    pub fn choose_automatically(&mut self) -> Result<()> {
        (self.draft.mode, self.context.routed_mode) = (None, None);
        self.context.reason.clear();
        self.choose_by_inputs()
    }

    /// Selects the model that suits the form; keeps the prompt, the seed, the LoRAs and the images.
    pub fn choose_by_inputs(&mut self) -> Result<()> {
        let changes = self.kept_with_choice();
        self.take(changes)
    }

    /// Adds a LoRA, for the `expert` that its file name indicates if the model has two. A distilled LoRA changes the
    /// settings to its `profile`; returns what that changed.
    pub(in crate::app) fn add_lora(
        &mut self,
        file: PathBuf,
        expert: Option<Expert>,
        profile: Option<DistilledSettings>,
    ) -> Option<String> {
        let info = self.planner.model(&self.draft.model).ok().and_then(|model| model.info.as_ref());
        let has_two = info.is_some_and(|info| info.components.iter().any(|part| part.role == SECOND_EXPERT));
        let expert = expert.filter(|_| has_two);
        self.draft.loras.push(LoraChoice { expert, ..LoraChoice::new(file) });
        apply_profile(&profile?, &mut self.draft, &DraftChanges::default())
    }

    /// The form as a job for the queue.
    pub fn work(&self) -> Result<JobSpec> {
        self.work_in(self.job_options())
    }

    /// What belongs to the form's jobs beside the draft.
    fn job_options(&self) -> JobOptions {
        JobOptions { preview: true, timeout_s: self.context.timeout_s, ..JobOptions::default() }
    }

    /// How long the form's jobs may run; none for no limit.
    pub(in crate::app) fn time_limit(&self) -> Option<Secs> {
        let own = self.context.timeout_s.map(|seconds| Some(seconds as f64).filter(|seconds| *seconds > 0.0));
        own.map_or_else(|| self.settings().errors.timeout().map(Secs::from), |own| own.map(Secs))
    }

    /// What the jobs of further trials of a search are planned with.
    pub(in crate::app) fn search_plans(&self) -> (Planner, JobOptions) {
        (self.planner.clone(), JobOptions { preview: true, ..JobOptions::default() })
    }

    /// What sweeps that start from the form are planned with.
    pub(in crate::app) fn sweep_base(&self) -> SweepBase {
        let planner = Arc::new(self.planner.clone());
        SweepBase { planner, draft: self.draft.clone(), options: self.job_options() }
    }

    /// The form as a job with other options.
    pub fn work_in(&self, options: JobOptions) -> Result<JobSpec> {
        let base = Base::Draft { draft: Box::new(self.draft.clone()), reason: self.context.reason.clone() };
        Ok(self.planner.plan(&PlanRequest { base, options, ..PlanRequest::default() })?.spec)
    }

    /// The same job with a different draft, which may have a different model.
    pub(in crate::app) fn changed(&self, work: &JobSpec, draft: Draft) -> Result<JobSpec> {
        let known = work.fallbacks.iter().find(|fallback| fallback.model == draft.model);
        let model = if draft.model == work.draft.model {
            work.model.clone()
        } else if let Some(fallback) = known {
            fallback.folder.clone()
        } else if let Ok(model) = self.planner.model(&draft.model) {
            model.path.clone()
        } else {
            let Folders { data, models } = self.planner.folders();
            models::find(&draft.model, data, models.as_deref())?
        };
        Ok(JobSpec { draft, model, ..work.clone() })
    }

    /// The folder of the form's model.
    pub fn model_path(&self) -> Result<PathBuf> {
        Ok(self.planner.model(&self.draft.model)?.path.clone())
    }

    /// The parts of the form that are kept when its model changes.
    pub(super) fn kept(&self) -> DraftChanges {
        let Draft { prompt, seed, start_image, end_image, continue_from, .. } = self.draft.clone();
        DraftChanges {
            prompt: Some(prompt),
            seed: Some(SeedChoice::Fixed(seed)),
            start_image,
            end_image,
            continue_from,
            ..DraftChanges::default()
        }
    }

    /// The parts of the form that are kept, and by which the program chooses a model.
    fn kept_with_choice(&self) -> DraftChanges {
        let size = Some(self.draft.size).filter(|size| Some(*size) != self.context.given_size);
        DraftChanges { loras: Some(self.draft.loras.clone()), size, ..self.kept() }
    }

    /// Replaces the draft by a new one with `changes`, without images that its mode does not support.
    pub(super) fn take(&mut self, changes: DraftChanges) -> Result<()> {
        let given = changes.start_image.as_ref().or(changes.continue_from.as_ref());
        let image = self.image.as_ref().filter(|(path, _)| given == Some(path));
        let request =
            PlanRequest { image_size: image.map(|(_, size)| Ok(*size)), changes, ..PlanRequest::default() };
        let Drafted { mut draft, chosen_by } = self.planner.draft(&request)?;
        let mode = self.planner.mode(&draft);
        if mode == Some(Mode::T2V) {
            (draft.start_image, draft.continue_from) = (None, None);
        }
        if mode != Some(Mode::I2V) {
            draft.end_image = None;
        }
        self.context.given_size = Some(draft.size);
        self.context.routed_mode = draft.mode.filter(|_| request.changes.mode.is_none());
        self.context.preset = None;
        self.draft = draft;
        self.context.is_model_chosen = matches!(chosen_by, ChosenBy::Person(_));
        self.context.reason = chosen_by.to_string();
        Ok(())
    }
}
