//! The form: what it has, what is wrong with it, and which job it belongs to while one is edited.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::app::output_name::{is_named_for, output_path};
use crate::app::panels::compose::Editing;
use crate::app::routing::{Routing, mode_of};
use crate::core::{Draft, Error, Expert, Kind, Limits, LoraChoice, Mode, Resolution, Result, Seed};
use crate::jobs::{Job, JobId, JobSpec, JobState};
use crate::models::{self, Installed};
use crate::presets;
use crate::store::Settings;

/// The model that the window opens with: it is there at once and runs on any machine.
const FIRST_PRESET: &str = "toy-t2v";
/// Something that the first model can draw.
const FIRST_PROMPT: &str = "a red circle moves right on a black background";
/// What `ModelInfo` calls the second expert of a model that has two.
const SECOND_EXPERT: &str = "low-noise expert";

/// The form and what it chooses from.
pub(in crate::app) struct Form {
    pub(in crate::app) draft: Draft,
    pub(in crate::app) models: Vec<Installed>,
    data_dir: PathBuf,
    models_dir: Option<PathBuf>,
    settings: Settings,
    routing: Routing,
    aside: Option<Aside>,
}

/// What was in the form before a job of the queue came into it.
struct Aside {
    job: JobId,
    draft: Draft,
    reason: String,
}

impl Form {
    /// The form in which the window opens: the toy model, ready to run. Also what is wrong with the person's own table
    /// of modes.
    pub(in crate::app) fn open(
        data_dir: PathBuf,
        models_dir: Option<PathBuf>,
        settings: Settings,
    ) -> Result<(Self, Option<Error>)> {
        let models = models::installed(&data_dir, models_dir.as_deref());
        let mut draft = settings.new_form(presets::by_name(FIRST_PRESET)?.draft(FIRST_PROMPT));
        draft.seed = Seed::random().0;
        let (routing, wrong) = Routing::open(&data_dir, &models, &draft)?;
        Ok((Self { draft, models, data_dir, models_dir, settings, routing, aside: None }, wrong))
    }

    pub(in crate::app) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Why the form has this model and mode.
    pub(in crate::app) fn reason(&self) -> &str {
        &self.routing.reason
    }

    /// The mode in which the form would run, if its model is here.
    pub(in crate::app) fn mode(&self) -> Option<Mode> {
        self.installed().ok().and_then(|model| mode_of(&self.draft, model))
    }

    /// Looks for models on the disk; to be called on another thread.
    pub(in crate::app) fn scan(&self) -> impl FnOnce() -> Vec<Installed> + Send + 'static {
        let (data_dir, models_dir) = (self.data_dir.clone(), self.models_dir.clone());
        move || models::installed(&data_dir, models_dir.as_deref())
    }

    /// What keeps the form from running, one error a field.
    pub(in crate::app) fn problems(&self) -> Vec<Error> {
        match (self.limits(), self.installed()) {
            (Ok(limits), Ok(model)) => {
                let mut problems = self.draft.problems(limits);
                // of a field that is wrong twice, one is enough
                let of_mode = self.routing.problems(&self.draft, model).into_iter();
                let is_new = |new: &Error| problems.iter().all(|old| old.field_name() != new.field_name());
                let more: Vec<_> = of_mode.filter(is_new).collect();
                problems.extend(more);
                problems
            }
            (Err(error), _) | (_, Err(error)) => vec![error],
        }
    }

    /// What the chosen model can take.
    pub(in crate::app) fn limits(&self) -> Result<&Limits> {
        self.installed()?.limits.as_ref().map_err(|error| error.clone().field("model"))
    }

    fn installed(&self) -> Result<&Installed> {
        let model = &self.draft.model;
        let is_chosen = |known: &&Installed| known.id == *model || known.path == Path::new(model);
        self.models.iter().find(is_chosen).ok_or_else(|| {
            Error::new(Kind::MissingModel, format!("The model {model} is not on this machine"))
                .remedy(format!("Put its folder into {}", self.data_dir.join("models").display()))
                .field("model")
        })
    }

    /// Takes a model and its preset; prompt, pictures and seed stay.
    pub(in crate::app) fn choose_model(&mut self, id: &str) -> Result<()> {
        "the model was chosen".clone_into(&mut self.routing.reason);
        self.take_model(id)
    }

    /// Takes the best model for a mode, likewise.
    pub(in crate::app) fn choose_mode(&mut self, mode: Mode) -> Result<()> {
        let id = self.routing.by_mode(mode, &self.models)?;
        self.take_model(&id)
    }

    fn take_model(&mut self, id: &str) -> Result<()> {
        let known = self.models.iter().find(|model| model.id == id);
        let mode = known.and_then(|model| model.limits.as_ref().ok()?.modes.first().copied());
        let own = presets::for_model(id)?;
        let preset = own.map_or_else(|| mode.map(presets::for_mode).transpose(), |own| Ok(Some(own)))?;
        if let Some(preset) = preset {
            let chosen = self.settings.new_form(preset.draft(&self.draft.prompt));
            // pictures stay where the model takes them
            let takes = mode.is_none_or(|mode| mode != Mode::T2V);
            let kept = |path: Option<PathBuf>| path.filter(|_| takes);
            let before = std::mem::replace(&mut self.draft, chosen);
            self.draft.seed = before.seed;
            self.draft.start_image = kept(before.start_image);
            self.draft.continue_from = kept(before.continue_from);
            self.draft.end_image = kept(before.end_image).filter(|_| mode == Some(Mode::I2V));
        }
        id.clone_into(&mut self.draft.model);
        Ok(())
    }

    /// Takes a picture into the form; the video takes its shape.
    pub(in crate::app) fn start_from(&mut self, path: PathBuf, size: Resolution) -> Result<()> {
        let takes_none = |limits: &Limits| limits.modes == [Mode::T2V];
        if self.limits().is_ok_and(takes_none) {
            let with_picture =
                Draft { start_image: Some(path.clone()), continue_from: None, ..self.draft.clone() };
            let id = self.routing.by_what_is_given(&with_picture, &self.models)?;
            self.take_model(&id)?;
        }
        if let Ok(limits) = self.limits() {
            self.draft.size = limits.strides.size_like(self.draft.size, size);
        }
        self.draft.start_image = Some(path);
        self.draft.continue_from = None;
        Ok(())
    }

    /// Takes a LoRA into the form, for the `expert` that its name speaks of if the model has two.
    pub(in crate::app) fn add_lora(&mut self, file: PathBuf, expert: Option<Expert>) {
        let about = self.installed().ok().and_then(|model| model.info.as_ref());
        let has_two =
            about.is_some_and(|about| about.components.iter().any(|part| part.role == SECOND_EXPERT));
        let expert = expert.filter(|_| has_two);
        self.draft.loras.push(LoraChoice { expert, ..LoraChoice::new(file) });
    }

    /// The form as work for the queue, as the person has set it.
    pub(in crate::app) fn work(&self) -> Result<JobSpec> {
        let path = self.output()?;
        let work = JobSpec::new(self.draft.clone(), self.model_path()?, path);
        let work = work.settled(&self.settings, &self.data_dir, self.models_dir.as_deref());
        Ok(JobSpec { preview: true, ..work })
    }

    /// The same work with another form, whose model may be another one too.
    pub(in crate::app) fn changed(&self, work: &JobSpec, draft: Draft) -> Result<JobSpec> {
        let model = if draft.model == work.draft.model {
            work.model.clone()
        } else {
            models::find(&draft.model, &self.data_dir, self.models_dir.as_deref())?
        };
        Ok(JobSpec { draft, model, ..work.clone() })
    }

    /// The folder of the form's model.
    pub(in crate::app) fn model_path(&self) -> Result<PathBuf> {
        Ok(self.installed()?.path.clone())
    }

    fn output(&self) -> Result<PathBuf> {
        let mode = self.draft.mode_for(self.limits()?)?;
        Ok(output_path(&self.data_dir, &self.draft, mode, SystemTime::now()))
    }

    /// Takes a job of the queue into the form; what was in it is put aside.
    pub(in crate::app) fn edit(&mut self, entry: &Job) {
        let job = entry.id;
        let draft = std::mem::replace(&mut self.draft, entry.spec.draft.clone());
        let reason = std::mem::replace(&mut self.routing.reason, format!("job {job} has it"));
        // of several jobs that are edited in turn, none is what the person was writing
        let aside = self.aside.take().map(|aside| Aside { job, ..aside });
        self.aside = Some(aside.unwrap_or(Aside { job, draft, reason }));
    }

    /// The job that is in the form, and why it cannot have another form any more.
    pub(in crate::app) fn editing(&self, queue: &[Job]) -> Option<Editing> {
        let job = self.aside.as_ref()?.job;
        let obstacle = match queue.iter().find(|entry| entry.id == job).map(|entry| &entry.state) {
            Some(JobState::Queued | JobState::Paused) => None,
            Some(JobState::Running { .. }) => Some(format!("Job {job} runs already")),
            Some(JobState::Ended { .. }) | None => Some(format!("Job {job} has ended")),
        };
        Some(Editing { job, obstacle })
    }

    /// The job that was edited, with this form. A video that was named after its form is named anew.
    pub(in crate::app) fn edited(&self, entry: &Job) -> Result<JobSpec> {
        let work = &entry.spec;
        let output =
            if is_named_for(&work.output, &work.draft) { self.output()? } else { work.output.clone() };
        Ok(JobSpec { draft: self.draft.clone(), model: self.model_path()?, output, ..work.clone() })
    }

    /// Brings back what was in the form before a job came into it.
    pub(in crate::app) fn end_editing(&mut self) {
        if let Some(Aside { draft, reason, .. }) = self.aside.take() {
            (self.draft, self.routing.reason) = (draft, reason);
        }
    }
}

#[cfg(test)]
mod tests {
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
        let (_dir, mut form) = form(settings);
        for _ in 0..2 {
            let work = form.work().unwrap();
            assert_eq!(work.timeout_s, Some(77));
            assert_eq!(work.draft.provider, ProviderChoice::Cpu);
            assert_eq!(work.draft.precision, PrecisionChoice::Fp32);
            // another model has a form of its own, as new as the first
            form.choose_model("toy-t2v-A14B").unwrap();
        }
        let without = Settings {
            errors: crate::store::ErrorSettings { timeout_s: 0, ..Default::default() },
            ..Default::default()
        };
        assert_eq!(
            form.work().unwrap().settled(&without, Path::new(""), None).timeout_s,
            None,
            "0 is for never"
        );
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
