//! From a draft to a job, once for every face of the program.

use std::path::{Path, PathBuf};

use super::catalog::{Catalog, Folders};
use super::changes::{DraftChanges, SeedChoice};
use super::lora_experts::take_from_names;
use super::lora_profile::{apply_profile, profile_of_loras};
use super::one_expert;
use super::output_name::{is_named_for, is_same_name, output_in, output_name};
use super::profiles::Profiles;
use super::request::{Base, ChosenBy, Drafted, JobOptions, PlanRequest, PlannedJob};
use super::route::{RouteRequest, Router};
use crate::core::{Draft, Error, FrameCount, Kind, Limits, Mode, Resolution, Result, Utc};
use crate::jobs::{Fallback, JobSpec};
use crate::media::OutputTarget;
use crate::models::Installed;
use crate::monitor;
use crate::presets::Preset;
use crate::store::Settings;

/// Plans jobs over a snapshot of the installed models. It scans no folders: its owner does, by
/// [`Folders::scan`], and hands the result to [`Planner::set_models`].
#[derive(Clone, Debug)]
pub struct Planner {
    folders: Folders,
    settings: Settings,
    catalog: Catalog,
    has_gpu: bool,
}

impl Planner {
    /// A planner for `catalog`.
    pub fn new(folders: Folders, settings: Settings, catalog: Catalog) -> Self {
        Self { folders, settings, catalog, has_gpu: monitor::has_gpu() }
    }

    /// Where models are looked for and outputs go.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// What the person set for all jobs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes in changed settings.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Looks for models in another folder from the next scan on.
    pub fn set_models_folder(&mut self, folder: Option<PathBuf>) {
        self.folders.models = folder;
    }

    /// `draft` with what the settings give every new form.
    pub fn new_form(&self, draft: Draft) -> Draft {
        self.settings.new_form(draft, self.has_gpu)
    }

    /// The models, profiles and presets.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Takes in a new scan of the models.
    pub fn set_models(&mut self, models: Vec<Installed>) {
        self.catalog.models = models;
    }

    /// Takes in the presets as [`all_presets`](super::all_presets) gives them.
    pub fn set_presets(&mut self, presets: Vec<Preset>) {
        self.catalog.set_presets(presets);
    }

    /// Takes in another table of modes.
    pub fn set_profiles(&mut self, profiles: Profiles) {
        self.catalog.profiles = profiles;
    }

    /// The finished job, or the first thing that keeps it from running.
    pub fn plan(&self, request: &PlanRequest) -> Result<PlannedJob> {
        let Drafted { draft, chosen_by } = self.draft(request)?;
        let before = match &request.base {
            Base::Job(spec) => Some(spec.as_ref()),
            _ => None,
        };
        Ok(PlannedJob { spec: self.finish(draft, &request.options, before)?, chosen_by })
    }

    /// [`Self::plan`] for options of a command line: those for a second expert, which a form does not offer for a model
    /// with one transformer, are an error there.
    pub fn plan_options(&self, request: &PlanRequest) -> Result<PlannedJob> {
        let draft = self.draft(request)?.draft;
        let problem = one_expert::problem_of_changes(&request.changes, self.model(&draft.model)?);
        problem.map_or_else(|| self.plan(request), Err)
    }

    /// The job `before` with another draft. An output that was named after the old draft gets a new name.
    pub fn replan(&self, before: &JobSpec, draft: Draft) -> Result<JobSpec> {
        self.finish(draft, &JobOptions::default(), Some(before))
    }

    fn finish(&self, draft: Draft, options: &JobOptions, before: Option<&JobSpec>) -> Result<JobSpec> {
        if let Some(problem) = self.problems(&draft).into_iter().next() {
            return Err(problem);
        }
        let existing = options.existing.or_else(|| before.map(|spec| spec.existing)).unwrap_or_default();
        let output = match &options.output {
            Some(asked) => output_in(asked, &draft, self.checked_mode(&draft)?, existing),
            None => self.named_output(before, &draft)?,
        };
        OutputTarget::parse(&output, FrameCount(draft.frames), existing)?;
        let Installed { id, path: model, .. } = self.model(&draft.model)?.clone();
        // another name of the model may mean another one when there are more of them
        let is_path = Path::new(&draft.model).is_absolute();
        let draft = if is_path { draft } else { Draft { model: id, ..draft } };
        let spec = before.cloned().unwrap_or_else(|| self.new_spec(draft.clone(), output.clone()));
        let fallbacks = match &options.fallbacks {
            Some(names) => names.iter().map(|name| self.fallback(name)).collect::<Result<_>>()?,
            None => spec.fallbacks,
        };
        let timeout_s = match options.timeout_s {
            Some(seconds) => Some(seconds).filter(|seconds| *seconds > 0),
            None => spec.timeout_s,
        };
        Ok(JobSpec {
            draft,
            model,
            output,
            existing,
            latents_out: options.latents_out.as_deref().map(absolute).or(spec.latents_out),
            preview: options.preview || spec.preview,
            priority: options.priority.unwrap_or(spec.priority),
            timeout_s,
            fallbacks,
            ..spec
        })
    }

    /// The draft that a request makes, with its model; it may still have problems.
    pub fn draft(&self, request: &PlanRequest) -> Result<Drafted> {
        let PlanRequest { base, changes, .. } = request;
        let Drafted { draft, chosen_by } = match base {
            Base::New => self.new_draft(changes)?,
            Base::Preset(name) => {
                let preset = self.catalog.preset(name)?;
                let model = changes.model.as_deref().unwrap_or(&preset.model);
                let preset = &self.catalog.preset_for_model(preset, model);
                if changes.loras.is_none() {
                    preset.check_loras()?;
                }
                let draft = if preset.is_complete() {
                    self.new_form(preset.draft(""))
                } else {
                    // what it does not set comes from the model
                    let of_preset = Some(preset.model.clone()).filter(|model| !model.is_empty());
                    let model = changes.model.clone().or(of_preset);
                    let mut draft = self.new_draft(&DraftChanges { model, ..changes.clone() })?.draft;
                    preset.apply(&mut draft);
                    draft
                };
                let draft = match preset.settings.seed {
                    Some(seed) => Draft { seed, ..draft },
                    None => random_seed(draft),
                };
                Drafted { draft, chosen_by: ChosenBy::Person(format!("you chose the preset {name}")) }
            }
            Base::Draft { draft, reason } => {
                Drafted { draft: (**draft).clone(), chosen_by: ChosenBy::Person(reason.clone()) }
            }
            Base::Job(spec) => {
                let reason = "the job already had this model".to_owned();
                Drafted { draft: spec.draft.clone(), chosen_by: ChosenBy::Person(reason) }
            }
        };
        let chosen_by = match (&chosen_by, &changes.model) {
            (ChosenBy::Person(_), Some(_)) => ChosenBy::Person("you chose the model".to_owned()),
            _ => chosen_by,
        };
        let mut draft = changes.applied(draft);
        let has_two = |model: &Installed| !one_expert::has_one_transformer(model);
        if changes.loras.is_some() && self.model(&draft.model).is_ok_and(has_two) {
            take_from_names(&mut draft.loras);
        }
        // a preset, a draft and a job have their own settings; a note of the run says what the LoRA brought
        if matches!(base, Base::New)
            && let Some(profile) = profile_of_loras(changes)
        {
            apply_profile(&profile, &mut draft, changes);
        }
        if let Some(size) = &request.image_size
            && changes.starts_from_image()
            && changes.size.is_none()
            && self.takes_image(&draft)
        {
            draft.size = self.limits(&draft)?.strides.size_like(draft.size, size.clone()?);
        }
        Ok(Drafted { draft, chosen_by })
    }

    /// Everything that keeps a draft from running, one error a field.
    pub fn problems(&self, draft: &Draft) -> Vec<Error> {
        let (model, limits) = match (self.model(&draft.model), self.limits(draft)) {
            (Ok(model), Ok(limits)) => (model, limits),
            (Err(error), _) | (_, Err(error)) => return vec![error],
        };
        let mode = self.mode(draft).filter(|mode| limits.modes.contains(mode));
        let size = Some(draft.size);
        let asked = RouteRequest { model: Some(&model.id), mode, size, ..RouteRequest::by(draft) };
        let router = Router::new(&asked, &self.catalog);
        let of_model = mode.map(|mode| router.refusals(mode, &model.id)).unwrap_or_default();
        let of_mode = mode.map(|mode| self.catalog.profiles.problems(draft, mode, model.family));
        let mut problems: Vec<Error> = Vec::new();
        let of_experts = one_expert::problem(draft, model);
        let of_draft = draft.problems(limits).into_iter().chain(of_experts);
        for problem in of_model.into_iter().chain(of_draft).chain(of_mode.unwrap_or_default()) {
            // of a field that is wrong twice, the first error is enough
            if problems.iter().all(|known| known.field_name() != problem.field_name()) {
                problems.push(problem);
            }
        }
        problems
    }

    /// The installed model that a draft names.
    pub fn model(&self, name: &str) -> Result<&Installed> {
        self.catalog.find(name).ok_or_else(|| {
            Error::new(Kind::MissingModel, format!("The model {name} is not installed"))
                .remedy(format!("Put its folder into {}", self.folders.data.join("models").display()))
                .field("model")
        })
    }

    /// What the model of a draft can take.
    pub fn limits(&self, draft: &Draft) -> Result<&Limits> {
        self.model(&draft.model)?.limits.as_ref().map_err(|error| error.clone().field("model"))
    }

    /// The mode in which a draft would run, if its model can be used.
    pub fn mode(&self, draft: &Draft) -> Option<Mode> {
        draft.mode.or_else(|| self.limits(draft).ok()?.modes.first().copied())
    }

    /// Whether a draft would run in a mode that starts from an image.
    pub fn takes_image(&self, draft: &Draft) -> bool {
        self.mode(draft).is_some_and(|mode| mode != Mode::T2V)
    }

    /// The size for a video that starts from an image of `image` pixels: the draft's number of pixels in that shape.
    pub fn size_like(&self, draft: &Draft, image: Resolution) -> Resolution {
        self.limits(draft).map_or(draft.size, |limits| limits.strides.size_like(draft.size, image))
    }

    /// The defaults of the model that is asked for, else of the router's choice.
    fn new_draft(&self, changes: &DraftChanges) -> Result<Drafted> {
        let (model, mode, chosen_by) = if let Some(name) = &changes.model {
            let model = self.model(name)?;
            let limits = model.limits.as_ref().map_err(|error| error.clone().field("model"))?;
            let mode = changes.mode.filter(|mode| limits.modes.contains(mode));
            let mode = mode.or_else(|| limits.modes.first().copied());
            (model, mode, ChosenBy::Person("you chose the model".to_owned()))
        } else {
            let route = Router::new(&asked_by(changes), &self.catalog).select()?;
            (self.model(&route.model)?, Some(route.mode), ChosenBy::Route(route))
        };
        let Some(mode) = mode else {
            return Err(no_mode(&model.id));
        };
        let chosen_by = chosen_by.because_of(model);
        let draft = random_seed(self.new_form(self.catalog.defaults(model, mode)?));
        // a model that offers several modes would else run in its first one
        let natural = model.limits.as_ref().ok().and_then(|limits| limits.modes.first().copied());
        let fixed = Some(mode).filter(|_| changes.model.is_none() && natural != Some(mode));
        Ok(Drafted { draft: Draft { mode: fixed, ..draft }, chosen_by })
    }

    /// The output's own name in the data folder, or the place that the job `before` has.
    fn named_output(&self, before: Option<&JobSpec>, draft: &Draft) -> Result<PathBuf> {
        let name = output_name(draft, self.checked_mode(draft)?, Utc::now());
        Ok(match before {
            Some(spec) if !is_named_for(&spec.output, &spec.draft) || is_same_name(&spec.draft, draft) => {
                spec.output.clone()
            }
            Some(spec) => spec.output.with_file_name(name),
            None => self.folders.data.join("outputs").join(name),
        })
    }

    fn checked_mode(&self, draft: &Draft) -> Result<Mode> {
        self.mode(draft).ok_or_else(|| no_mode(&draft.model))
    }

    /// A job with what the person set for all of them. Fallbacks that are not installed are left out.
    fn new_spec(&self, draft: Draft, output: PathBuf) -> JobSpec {
        let names = self.settings.models.fallbacks.iter();
        JobSpec {
            timeout_s: self.settings.errors.timeout().map(|timeout| timeout.as_secs()),
            fallbacks: names.filter_map(|name| self.fallback(name).ok()).collect(),
            ..JobSpec::new(draft, PathBuf::new(), output)
        }
    }

    fn fallback(&self, name: &str) -> Result<Fallback> {
        let folder = self.model(name)?.path.clone();
        Ok(Fallback { model: name.to_owned(), folder })
    }
}

/// The inputs of the router in the changes.
fn asked_by(changes: &DraftChanges) -> RouteRequest<'_> {
    RouteRequest {
        prompt: changes.prompt.as_deref().unwrap_or_default(),
        start_image: changes.start_image.is_some(),
        end_image: changes.end_image.is_some(),
        clip: changes.continue_from.is_some(),
        loras: changes.loras.as_ref().is_some_and(|loras| !loras.is_empty()),
        size: changes.size,
        model: None,
        mode: changes.mode,
    }
}

fn no_mode(model: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{model} offers no mode"))
        .field("model")
        .remedy("Choose another model")
}

fn random_seed(draft: Draft) -> Draft {
    Draft { seed: SeedChoice::Random.seed(), ..draft }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
