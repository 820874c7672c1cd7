//! The form: its draft, its errors, and the job that is being edited in it.

use std::path::PathBuf;

use crate::app::panels::compose::Editing;
use crate::core::{Draft, Error, Expert, Limits, LoraChoice, Mode, Resolution, Result};
use crate::jobs::{Job, JobId, JobSpec, JobState};
use crate::models::{self, Installed};
use crate::plan::{
    Base, Catalog, ChosenBy, DraftChanges, Drafted, Folders, JobOptions, PlanRequest, Planner, Profiles,
    SeedChoice,
};
use crate::store::Settings;

/// The model selected at the first start: it needs no download and runs on any machine.
const FIRST_PRESET: &str = "toy-t2v";
/// A prompt that suits the first model.
const FIRST_PROMPT: &str = "a red circle moves right on a black background";
/// Name of the low-noise expert in `ModelInfo`, for a model with two experts.
const SECOND_EXPERT: &str = "low-noise expert";

/// The form of the window: a draft, and the planner that makes a job of it.
pub struct Form {
    /// The values that the user has entered.
    pub draft: Draft,
    planner: Planner,
    reason: String,
    /// The size that the program chose for the draft; a different one was entered by the user.
    given_size: Resolution,
    /// The start image that was read last, with its size.
    image: Option<(PathBuf, Resolution)>,
    /// The mode that the router put into the draft for a model that offers several.
    routed_mode: Option<Mode>,
    aside: Option<Aside>,
}

/// The content of the form before a job of the queue was opened for editing.
struct Aside {
    job: JobId,
    draft: Draft,
    reason: String,
}

impl Form {
    /// The form at the start of the window, with the toy model ready to run, and the error of the user's mode table, if
    /// it is invalid. Scans the folders of models.
    pub(in crate::app) fn open(
        data_dir: PathBuf,
        models_dir: Option<PathBuf>,
        settings: Settings,
    ) -> Result<(Self, Option<Error>)> {
        let folders = Folders { data: data_dir, models: models_dir };
        let (profiles, wrong) = match Profiles::open(&folders.data) {
            Ok(profiles) => (profiles, None),
            Err(error) => (Profiles::shipped()?, Some(error)),
        };
        let catalog = Catalog::new(folders.scan(), profiles)?;
        Ok((Self::new(Planner::new(folders, settings, catalog))?, wrong))
    }

    /// The form at the start of the window, for models that are already scanned.
    pub fn new(planner: Planner) -> Result<Self> {
        let changes = DraftChanges { prompt: Some(FIRST_PROMPT.to_owned()), ..DraftChanges::default() };
        let base = Base::Preset(FIRST_PRESET.to_owned());
        let first = planner.draft(&PlanRequest { base, changes, ..PlanRequest::default() })?;
        let draft = first.draft;
        let reason =
            if planner.limits(&draft).is_ok() { "a small model that runs on any machine" } else { "" };
        let given_size = draft.size;
        Ok(Self {
            draft,
            planner,
            reason: reason.to_owned(),
            given_size,
            image: None,
            routed_mode: None,
            aside: None,
        })
    }

    pub(in crate::app) fn settings(&self) -> &Settings {
        self.planner.settings()
    }

    /// The models to choose from.
    pub fn models(&self) -> &[Installed] {
        &self.planner.catalog().models
    }

    /// Replaces the list of models by a new scan.
    pub(in crate::app) fn set_models(&mut self, models: Vec<Installed>) {
        self.planner.set_models(models);
    }

    /// The reason for the current model and mode.
    pub(in crate::app) fn reason(&self) -> &str {
        &self.reason
    }

    /// The mode in which the form would run, if its model can be used.
    pub fn mode(&self) -> Option<Mode> {
        self.planner.mode(&self.draft)
    }

    /// Whether the user set the mode, instead of leaving it to the inputs.
    pub(in crate::app) fn is_mode_set(&self) -> bool {
        self.draft.mode.is_some() && self.draft.mode != self.routed_mode
    }

    /// A function that scans the folders of models, to be called on another thread.
    pub(in crate::app) fn scan(&self) -> impl FnOnce() -> Vec<Installed> + Send + 'static {
        let folders = self.planner.folders().clone();
        move || folders.scan()
    }

    /// The errors that prevent the form from running, at most one per field.
    pub fn problems(&self) -> Vec<Error> {
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
        let mode = self.draft.mode.filter(offered);
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
        (self.draft.mode, self.routed_mode) = (None, None);
        self.reason.clear();
        self.choose_by_inputs()
    }

    /// Selects the model that suits the form; keeps the prompt, the seed, the LoRAs and the images.
    pub fn choose_by_inputs(&mut self) -> Result<()> {
        let changes = self.kept_with_choice();
        self.take(changes)
    }

    /// Takes a start image into the form; the video takes its shape. A model that takes none gives way to one that does.
    pub fn start_from(&mut self, path: PathBuf, size: Resolution) -> Result<()> {
        let with_image = Draft { start_image: Some(path.clone()), continue_from: None, ..self.draft.clone() };
        self.image = Some((path, size));
        if self.limits().is_ok() && !self.planner.takes_image(&self.draft) {
            let before = std::mem::replace(&mut self.draft, with_image);
            return self.choose_by_inputs().inspect_err(|_| self.draft = before);
        }
        self.draft = with_image;
        self.draft.size = self.planner.size_like(&self.draft, size);
        self.given_size = self.draft.size;
        Ok(())
    }

    /// Takes a LoRA into the form, for the `expert` that its name speaks of if the model has two.
    pub(in crate::app) fn add_lora(&mut self, file: PathBuf, expert: Option<Expert>) {
        let info = self.planner.model(&self.draft.model).ok().and_then(|model| model.info.as_ref());
        let has_two = info.is_some_and(|info| info.components.iter().any(|part| part.role == SECOND_EXPERT));
        let expert = expert.filter(|_| has_two);
        self.draft.loras.push(LoraChoice { expert, ..LoraChoice::new(file) });
    }

    /// The form as a job for the queue, as the user has set it.
    pub fn work(&self) -> Result<JobSpec> {
        self.work_in(JobOptions { preview: true, ..JobOptions::default() })
    }

    /// The form as a job with other options.
    pub fn work_in(&self, options: JobOptions) -> Result<JobSpec> {
        let base = Base::Draft { draft: Box::new(self.draft.clone()), reason: self.reason.clone() };
        Ok(self.planner.plan(&PlanRequest { base, options, ..PlanRequest::default() })?.spec)
    }

    /// The same job with another draft, whose model may be another one too.
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

    /// Opens a job of the queue in the form for editing; the previous content is saved.
    pub(in crate::app) fn edit(&mut self, entry: &Job) {
        let job = entry.id;
        let draft = std::mem::replace(&mut self.draft, entry.spec.draft.clone());
        let reason = std::mem::replace(&mut self.reason, format!("the settings of job {job}"));
        // if several jobs are edited in a row, only the content before the first is the user's own draft
        let aside = self.aside.take().map(|aside| Aside { job, ..aside });
        self.aside = Some(aside.unwrap_or(Aside { job, draft, reason }));
    }

    /// The job that is being edited, and the reason why it can no longer be changed.
    pub(in crate::app) fn editing(&self, queue: &[Job]) -> Option<Editing> {
        let job = self.aside.as_ref()?.job;
        let obstacle = match queue.iter().find(|entry| entry.id == job).map(|entry| &entry.state) {
            Some(JobState::Queued | JobState::Paused) => None,
            Some(JobState::Running { .. }) => Some(format!("Job {job} is already running")),
            Some(JobState::Ended { .. }) | None => Some(format!("Job {job} has ended")),
        };
        Some(Editing { job, obstacle })
    }

    /// The job that was edited, with this form. A video that was named after its draft gets a new name.
    pub(in crate::app) fn edited(&self, entry: &Job) -> Result<JobSpec> {
        self.planner.replan(&entry.spec, self.draft.clone())
    }

    /// Restores the content of the form from before a job was opened.
    pub(in crate::app) fn end_editing(&mut self) {
        if let Some(Aside { draft, reason, .. }) = self.aside.take() {
            (self.draft, self.reason) = (draft, reason);
        }
    }

    /// The parts of the form that are kept when its model changes.
    fn kept(&self) -> DraftChanges {
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
        let size = Some(self.draft.size).filter(|size| *size != self.given_size);
        DraftChanges { loras: Some(self.draft.loras.clone()), size, ..self.kept() }
    }

    /// Takes the draft that `changes` to a new one make, without the images that its mode does not take.
    fn take(&mut self, changes: DraftChanges) -> Result<()> {
        let image = self.image.as_ref().filter(|(path, _)| changes.start_image.as_ref() == Some(path));
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
        self.given_size = draft.size;
        self.routed_mode = draft.mode.filter(|_| request.changes.mode.is_none());
        self.draft = draft;
        self.reason = match chosen_by {
            ChosenBy::Route(route) => route.reasons.join("; "),
            ChosenBy::Person(reason) => reason,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::{PrecisionChoice, ProviderChoice};

    fn form(settings: Settings) -> (tempfile::TempDir, Form) {
        let dir = tempfile::tempdir().unwrap();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let (form, wrong) = Form::open(dir.path().to_path_buf(), Some(models), settings).unwrap();
        assert!(wrong.is_none() && form.problems().is_empty());
        (dir, form)
    }

    fn waiting(work: JobSpec) -> Job {
        Job::new(JobId(3), "3".into(), work)
    }

    #[test]
    fn work_of_the_window_is_as_the_person_has_set_it() {
        let mut settings = Settings::default();
        settings.errors.timeout_s = 77;
        settings.hardware.provider = ProviderChoice::Cpu;
        settings.optimization.precision = PrecisionChoice::Fp32;
        let (_dir, mut own) = form(settings);
        for _ in 0..2 {
            let work = own.work().unwrap();
            assert_eq!(work.timeout_s, Some(77));
            assert_eq!(work.draft.provider, ProviderChoice::Cpu);
            assert_eq!(work.draft.precision, PrecisionChoice::Fp32);
            // another model has a form of its own, as new as the first
            own.choose_model("toy-t2v-A14B").unwrap();
        }
        let (_dir, without) = form(Settings {
            errors: crate::store::ErrorSettings { timeout_s: 0, ..Default::default() },
            ..Default::default()
        });
        assert_eq!(without.work().unwrap().timeout_s, None, "0 means no limit");
    }

    #[test]
    fn a_job_comes_into_the_form_and_what_was_there_comes_back() {
        let (_dir, mut form) = form(Settings::default());
        let before = form.draft.clone();
        let of_job = Draft { prompt: "a blue square".into(), ..before.clone() };
        let named = JobSpec { draft: of_job.clone(), ..form.work().unwrap() };
        let output = named.output.with_file_name(format!("x_{}_a-blue-square.mp4", of_job.seed));
        let entry = waiting(JobSpec { output, timeout_s: Some(5), ..named });
        form.edit(&entry);
        assert_eq!(form.draft, of_job);
        // another one is edited before the first was saved
        form.edit(&entry);
        form.draft.prompt = "a green square".into();
        let edited = form.edited(&entry).unwrap();
        assert_eq!((edited.draft.prompt.as_str(), edited.timeout_s), ("a green square", Some(5)));
        assert!(edited.output.to_string_lossy().ends_with("a-green-square.mp4"), "{:?}", edited.output);
        let chosen = waiting(JobSpec { output: "mine.gif".into(), ..entry.spec.clone() });
        assert_eq!(form.edited(&chosen).unwrap().output, Path::new("mine.gif"));
        let running = Job { state: JobState::Running { worker: "me".into() }, ..entry.clone() };
        assert_eq!(form.editing(&[entry]).unwrap().obstacle, None);
        assert!(form.editing(&[running]).unwrap().obstacle.is_some());
        form.end_editing();
        assert_eq!((&form.draft, form.editing(&[])), (&before, None));
    }

    #[test]
    fn a_mode_that_was_set_stays_until_it_is_reset() {
        let (_dir, mut form) = form(Settings::default());
        form.choose_mode(Mode::I2V).unwrap();
        assert!(form.is_mode_set());
        assert_eq!(form.mode(), Some(Mode::I2V));
        form.choose_automatically().unwrap();
        assert!(!form.is_mode_set());
        assert_eq!((form.mode(), form.reason().is_empty()), (Some(Mode::T2V), false));
    }

    #[test]
    fn a_lora_goes_to_the_expert_of_its_name_where_there_are_two() {
        let (_dir, mut form) = form(Settings::default());
        form.choose_model("toy-t2v-A14B").unwrap();
        form.add_lora("low.safetensors".into(), Some(Expert::Low));
        assert_eq!(form.draft.loras[0].expert, Some(Expert::Low));
        form.choose_model("toy-ti2v-5B").unwrap();
        form.add_lora("low.safetensors".into(), Some(Expert::Low));
        assert_eq!(form.draft.loras[0].expert, None);
    }
}
