//! Plans a job from the options of `generate`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Places;
use super::args::{Cli, Command, Generate};
use super::fetch;
use super::report;
use crate::core::{Bytes, ComponentFiles, Draft, Error, Fix, Kind, LoraChoice, Result};
use crate::jobs::{self, JobSpec};
use crate::library::SavedRequest;
use crate::media::{self, Existing};
use crate::models::Installed;
use crate::plan::{
    Base, Catalog, ChosenBy, DraftChanges, Folders, JobOptions, ListedLora, PlanRequest, PlannedJob, Planner,
    Profiles, all_presets, brought_presets, find_preset, installed_loras,
};
use crate::presets;

/// Most of standard input that is read as a prompt, more than any prompt may have.
const MAX_PROMPT: Bytes = Bytes(64 << 10);

impl Cli {
    /// The plan request of `generate`; `None` for any other command.
    pub fn plan_request(&self) -> Option<Result<PlanRequest>> {
        match &self.command {
            Some(Command::Generate(args)) => Some(request(args, None)),
            _ => None,
        }
    }
}

/// Plans a new job from the options, or `before` with the changes in the options. If its model cannot be read, the first
/// fallback that takes the job replaces it, and a line says so.
pub(super) fn plan(args: &Generate, places: &Places, before: Option<JobSpec>) -> Result<PlannedJob> {
    let planned = planned(args, places, before)?;
    note_experts(args, &planned.spec.draft);
    Ok(planned)
}

fn planned(args: &Generate, places: &Places, before: Option<JobSpec>) -> Result<PlannedJob> {
    let request = request(args, before)?;
    let sources = Sources::open(places)?;
    let name = named_model(&request, places)?;
    let Some(name) = name else {
        let named = sources.named(None, &request, !args.dry_run)?;
        return sources.planner(sources.all(&request, &named), &request)?.plan_options(&request);
    };
    let error = match sources.plan_for(&name, &request, !args.dry_run) {
        Err(error) if jobs::may_help(error.kind) => error,
        planned => return planned,
    };
    // a model that can be fetched is not broken
    if matches!(error.fixes(), [Fix::Fetch(_)]) {
        return Err(error);
    }
    sources.plan_for_fallback(&name, &request, &error).ok_or(error)
}

/// A planner over all installed models, and the draft and the options that a sweep starts from. With a sweep's file, the
/// prompt is its name and the file says what it starts from.
pub(super) fn base(args: &Generate, places: &Places, is_file: bool) -> Result<(Planner, Draft, JobOptions)> {
    let mut request = request(args, None)?;
    let sources = Sources::open(places)?;
    let name = named_model(&request, places)?;
    let named = sources.named(name.as_deref(), &request, !args.dry_run)?;
    // an axis may name any preset
    let loras = installed_loras(&sources.folders);
    let planner = sources.planner_with(sources.all(&request, &named), &loras)?;
    if is_file {
        request.changes.prompt = None;
        if matches!(request.base, Base::New) && name.is_none() {
            let first = planner.catalog().presets().first().map(|preset| preset.draft(""));
            let draft = first.ok_or_else(|| Error::new(Kind::Bug, "There are no presets"))?;
            request.base = Base::Draft { draft: Box::new(draft), reason: "the sweep chooses it".to_owned() };
        }
    }
    let draft = planner.draft(&request)?.draft;
    note_experts(args, &draft);
    Ok((planner, draft, JobOptions { preview: true, ..request.options }))
}

/// Where models and their settings come from.
struct Sources<'a> {
    places: &'a Places,
    folders: Folders,
    profiles: Profiles,
}

impl<'a> Sources<'a> {
    fn open(places: &'a Places) -> Result<Self> {
        let folders = places.folders();
        let profiles = Profiles::open(&places.data_dir)?.limited(&places.settings.modes)?;
        Ok(Self { places, folders, profiles })
    }

    /// The models that a request names, `name` first. One that is missing is fetched if `may_fetch` and the settings
    /// allow it.
    fn named(&self, name: Option<&str>, request: &PlanRequest, may_fetch: bool) -> Result<Vec<Installed>> {
        let named = || named_models(name, request, self.places, &self.folders);
        named().or_else(|error| match error.fixes() {
            [Fix::Fetch(missing)] if may_fetch && self.places.settings.models.auto_fetch => {
                fetch::fetch_missing(missing, self.places)?;
                named()
            }
            _ => Err(error),
        })
    }

    /// Plans for the model called `name`, which is opened alone; an error may name the other models.
    fn plan_for(&self, name: &str, request: &PlanRequest, may_fetch: bool) -> Result<PlannedJob> {
        let named = self.named(Some(name), request, may_fetch)?;
        self.planner(named.clone(), request)?
            .plan_options(request)
            .or_else(|_| self.planner(self.all(request, &named), request)?.plan_options(request))
    }

    /// Plans for the first fallback that takes the request in place of `name`, which cannot be read for `reason`.
    fn plan_for_fallback(&self, name: &str, request: &PlanRequest, reason: &Error) -> Option<PlannedJob> {
        let of_settings = &self.places.settings.models.fallbacks;
        let names = request.options.fallbacks.as_ref().unwrap_or(of_settings);
        let planned = |(index, fallback): (usize, &String)| {
            let mut request = request.clone();
            request.changes.model = Some(model_name(fallback));
            // files chosen for the other model are not of this one
            request.changes.components = ComponentFiles::default();
            request.options.fallbacks = Some(names[index + 1..].to_vec());
            self.plan_for(fallback, &request, false).ok()
        };
        let planned = names.iter().enumerate().find_map(planned)?;
        let other = &planned.spec.draft.model;
        report::note(&format!(
            "Warning: {name} cannot be used: {reason}. The fallback {other} is used instead"
        ));
        let reason = format!("{name} cannot be used, and you allowed {other} instead");
        Some(PlannedJob { chosen_by: ChosenBy::Person(reason), ..planned })
    }

    /// All installed models, with the files that a request chooses, and the `named` ones that are elsewhere.
    fn all(&self, request: &PlanRequest, named: &[Installed]) -> Vec<Installed> {
        let mut models = self.folders.scan_with(&chosen_files(request));
        for model in named {
            if models.iter().all(|known| known.path != model.path) {
                models.push(model.clone());
            }
        }
        models
    }

    /// The LoRAs, if the preset that a request names may be one that a LoRA brings.
    fn loras_for(&self, request: &PlanRequest) -> Vec<ListedLora> {
        match &request.base {
            Base::Preset(name) if presets::find_preset(&self.folders.data, name).is_err() => {
                installed_loras(&self.folders)
            }
            _ => Vec::new(),
        }
    }

    /// A planner over `models` with the preset of a request.
    fn planner(&self, models: Vec<Installed>, request: &PlanRequest) -> Result<Planner> {
        self.planner_with(models, &self.loras_for(request))
    }

    /// A planner over `models`, with the presets that they and `loras` bring.
    fn planner_with(&self, models: Vec<Installed>, loras: &[ListedLora]) -> Result<Planner> {
        let mut presets = all_presets(&self.folders)?.0;
        presets.extend(brought_presets(&models, loras));
        let mut catalog = Catalog::new(models, self.profiles.clone())?;
        catalog.set_presets(presets);
        Ok(Planner::new(self.folders.clone(), self.places.settings.clone(), catalog))
    }
}

/// Plans a job for a command that queues it. Fails with [`Kind::Input`] for a dry run.
pub(super) fn queueable(args: &Generate, places: &Places, before: Option<JobSpec>) -> Result<JobSpec> {
    if args.dry_run {
        return Err(Error::new(Kind::Input, "A dry run adds nothing to the queue")
            .field("dry_run")
            .remedy("Use \"wandeck generate --dry-run\""));
    }
    let planned = plan(args, places, before)?;
    note_route(&planned);
    Ok(planned.spec)
}

/// Prints which LoRAs change one expert because their names say so.
fn note_experts(args: &Generate, draft: &Draft) {
    let given = args.loras.iter().flat_map(|option| &option.0);
    for (given, lora) in given.zip(&draft.loras).filter(|(given, _)| given.expert.is_none()) {
        let Some(expert) = lora.expert else { continue };
        let name = given.file.file_name().unwrap_or_default().to_string_lossy();
        report::note(&format!(
            "{name} is applied to the {expert}, as its name says. To apply it to both, add \":both\""
        ));
    }
}

/// Prints which model the router chose and why.
pub(super) fn note_route(planned: &PlannedJob) {
    if let ChosenBy::Route(route) = &planned.chosen_by {
        report::note(&route.to_string());
    }
}

/// The files chosen for components, in the options and in what they change.
fn chosen_files(request: &PlanRequest) -> ComponentFiles {
    let before = match &request.base {
        Base::Draft { draft, .. } => draft.components.clone(),
        Base::Job(spec) => spec.draft.components.clone(),
        Base::New | Base::Preset(_) => ComponentFiles::default(),
    };
    request.changes.components.clone().or(before)
}

/// The model named in the request; the router chooses one if there is none.
fn named_model(request: &PlanRequest, places: &Places) -> Result<Option<String>> {
    let of_base = match &request.base {
        Base::New => None,
        // one that sets only some fields may be for any model
        Base::Preset(name) => {
            let model = find_preset(&places.folders(), name)?.model;
            Some(model).filter(|model| !model.is_empty())
        }
        Base::Draft { draft, .. } => Some(draft.model.clone()),
        Base::Job(spec) => Some(spec.model.display().to_string()),
    };
    Ok(request.changes.model.clone().or(of_base))
}

/// The model called `name`, and those that the request or the settings name as fallbacks. Missing models of the settings
/// are skipped.
fn named_models(
    name: Option<&str>,
    request: &PlanRequest,
    places: &Places,
    folders: &Folders,
) -> Result<Vec<Installed>> {
    let files = chosen_files(request);
    let mut models: Vec<Installed> =
        name.map(|name| folders.open_with(name, &files)).into_iter().collect::<Result<_>>()?;
    match &request.options.fallbacks {
        Some(names) => {
            for name in names {
                models.push(folders.open(name)?);
            }
        }
        None => {
            models.extend(places.settings.models.fallbacks.iter().filter_map(|name| folders.open(name).ok()));
        }
    }
    Ok(models)
}

/// The plan request of the options.
fn request(args: &Generate, before: Option<JobSpec>) -> Result<PlanRequest> {
    let base = match (&args.from, &args.preset, before) {
        (Some(file), _, _) => {
            let saved = SavedRequest::read(file)?.ok_or_else(|| {
                Error::new(Kind::Input, format!("{} contains no saved settings", file.display()))
                    .field("from")
                    .remedy("Give a video made with Wandeck")
            })?;
            Base::Draft {
                draft: Box::new(saved.draft),
                reason: format!("the settings come from {}", file.display()),
            }
        }
        (None, Some(name), _) => Base::Preset(name.clone()),
        (None, None, Some(spec)) => Base::Job(Box::new(spec)),
        (None, None, None) => Base::New,
    };
    let changes = DraftChanges { prompt: prompt(&args.prompt)?, ..changes(args) };
    let of_image = args.image.as_ref().map(|path| (path, media::start_image_size as fn(&Path) -> _));
    let of_clip = args.continue_from.as_ref().map(|path| (path, media::image_size as fn(&Path) -> _));
    let source = of_image.or(of_clip).filter(|_| args.size.is_none());
    let image_size = source.map(|(path, size)| size(path));
    let options = JobOptions {
        output: args.output.clone(),
        existing: args.overwrite.then_some(Existing::Replace),
        latents_out: args.latents_out.clone(),
        timeout_s: args.timeout,
        fallbacks: Some(args.fallbacks.clone()).filter(|names| !names.is_empty()),
        priority: None,
        preview: false,
    };
    Ok(PlanRequest { base, changes, options, image_size })
}

/// The changes to the draft in the options. Paths become absolute, because the job may run in another working folder.
fn changes(args: &Generate) -> DraftChanges {
    let path = |path: &Option<PathBuf>| path.as_deref().map(absolute);
    let lora = |lora: &LoraChoice| LoraChoice { file: absolute(&lora.file), ..lora.clone() };
    DraftChanges {
        negative_prompt: args.negative.clone(),
        model: args.model.as_deref().map(model_name),
        mode: args.mode,
        start_image: path(&args.image),
        end_image: path(&args.last_image),
        continue_from: path(&args.continue_from),
        seed: args.seed,
        steps: args.steps,
        guidance: args.guidance,
        shift: args.shift,
        sampler: args.sampler,
        size: args.size,
        frames: args.frames,
        fps: args.fps,
        loras: Some(args.loras.iter().flat_map(|option| &option.0).map(lora).collect())
            .filter(|loras: &Vec<_>| !loras.is_empty()),
        provider: args.provider,
        device: args.device.clone(),
        cfg_parallel: args.cfg_parallel.clone(),
        precision: args.precision,
        vae_tile: args.vae_tile,
        weights: args.weights,
        components: ComponentFiles {
            vae: path(&args.vae),
            text_encoder: path(&args.text_encoder),
            high: path(&args.high),
            low: path(&args.low),
        },
        latents_in: path(&args.latents_in),
        step_cache: args.step_cache,
        boundary: args.boundary,
        ..DraftChanges::default()
    }
}

/// The prompt of the options, or what standard input has for "-".
fn prompt(given: &str) -> Result<Option<String>> {
    if given != "-" {
        return Ok(Some(given.to_owned()).filter(|prompt| !prompt.is_empty()));
    }
    let mut text = String::new();
    let input = std::io::stdin().lock().take(MAX_PROMPT.0);
    std::io::BufReader::new(input).read_to_string(&mut text).map_err(|error| {
        Error::new(Kind::Input, "Cannot read the prompt from standard input")
            .because(error)
            .field("prompt")
            .remedy("Send it as text in UTF-8, or give it in quotes")
    })?;
    Ok(Some(text.trim().to_owned()))
}

/// A model id unchanged, or the absolute path of a folder.
fn model_name(name: &str) -> String {
    if Path::new(name).exists() { absolute(Path::new(name)).display().to_string() } else { name.to_owned() }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
