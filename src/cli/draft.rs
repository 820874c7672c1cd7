//! From the command line to a form: the preset first, then what was given beside it. Without a model or a preset the
//! router chooses among what is installed.

use std::path::{Path, PathBuf};

use super::Places;
use super::args::Generate;
use crate::core::{Draft, Error, Kind, LoraChoice, Mode, Resolution, Result, Seed};
use crate::library::SavedRequest;
use crate::plan::{Candidate, Profiles, Route, RouteRequest};
use crate::wan::Family;
use crate::{media, models, plan, presets};

/// The form, the folder of its model, and what chose the model.
pub(super) struct Drafted {
    pub(super) draft: Draft,
    pub(super) folder: PathBuf,
    pub(super) chosen: Chosen,
}

/// What chose the model.
pub(super) enum Chosen {
    /// The router.
    Route(Route),
    /// The person, by what these words say.
    Person(String),
}

/// What the command line asks for.
pub(super) fn draft(args: &Generate, places: &Places) -> Result<Drafted> {
    let Drafted { mut draft, folder, chosen } = start(args, places)?;
    if let Some(model) = &args.model {
        // the output keeps what is asked, and will be looked at from elsewhere
        draft.model = if Path::new(model).exists() {
            absolute(Path::new(model)).display().to_string()
        } else {
            model.clone()
        };
    }
    if !args.prompt.is_empty() {
        draft.prompt.clone_from(&args.prompt);
    }
    draft.mode = args.mode.or(draft.mode);
    let pictures = [
        (&mut draft.start_image, &args.image),
        (&mut draft.end_image, &args.last_image),
        (&mut draft.continue_from, &args.continue_from),
    ];
    for (field, given) in pictures {
        if let Some(path) = given {
            *field = Some(absolute(path));
        }
    }
    draft.seed = args.seed.unwrap_or(draft.seed);
    if !args.loras.is_empty() {
        let with_path = |lora: &LoraChoice| LoraChoice { file: absolute(&lora.file), ..lora.clone() };
        draft.loras = args.loras.iter().map(with_path).collect();
    }
    // a form from a file says what it was made with
    if args.from.is_none() {
        draft = places.settings.new_form(draft);
    }
    draft.provider = args.provider.unwrap_or(draft.provider);
    draft.precision = args.precision.unwrap_or(draft.precision);
    draft.vae_tile = args.vae_tile.or(draft.vae_tile);
    draft.weights = args.weights.unwrap_or(draft.weights);
    if let Some(&high) = args.guidance.first() {
        draft.guidance = high;
        draft.guidance_low = args.guidance.get(1).copied();
    }
    if args.steps.is_some() || args.shift.is_some() {
        draft.step_list = None;
    }
    let set = |field: &mut u32, given: Option<u32>| *field = given.unwrap_or(*field);
    set(&mut draft.steps, args.steps);
    set(&mut draft.frames, args.frames);
    set(&mut draft.fps, args.fps);
    draft.shift = args.shift.unwrap_or(draft.shift);
    draft.size = match args.size {
        Some(size) => size,
        None => size_like_picture(args, &folder, draft.size)?,
    };
    draft.sampler = args.sampler.unwrap_or(draft.sampler);
    if let Some(negative) = &args.negative {
        draft.negative_prompt.clone_from(negative);
    }
    Ok(Drafted { draft, folder, chosen })
}

/// What the command line changes: the form that made a file, or a preset's with a seed by chance.
fn start(args: &Generate, places: &Places) -> Result<Drafted> {
    let find = |id: &str| models::find(id, &places.data_dir, places.models_dir.as_deref());
    if let Some(file) = &args.from {
        let recorded = SavedRequest::read(file)?.ok_or_else(|| {
            Error::new(Kind::Input, format!("{} carries no settings", file.display()))
                .field("from")
                .remedy("Give a video that was made with Wandeck")
        })?;
        let folder = find(args.model.as_ref().unwrap_or(&recorded.draft.model))?;
        let chosen = Chosen::Person(format!("{} was made so", file.display()));
        return Ok(Drafted { draft: recorded.draft, folder, chosen });
    }
    let random = |draft: Draft| Draft { seed: Seed::random().0, ..draft };
    let (draft, folder, chosen) = match (&args.preset, &args.model) {
        (Some(name), model) => {
            let preset = presets::by_name(name)?;
            let folder = find(model.as_ref().unwrap_or(&preset.model))?;
            (preset.draft(""), folder, Chosen::Person(format!("the preset {name} was chosen")))
        }
        (None, Some(model)) => {
            let folder = find(model)?;
            let checkpoint = models::open(&folder)?;
            let mode =
                args.mode.filter(|mode| checkpoint.modes.contains(mode)).unwrap_or(checkpoint.modes[0]);
            let draft =
                new_form(&checkpoint.id, (mode, checkpoint.family()), &Profiles::open(&places.data_dir)?)?;
            (draft, folder, Chosen::Person("the model was chosen".to_owned()))
        }
        (None, None) => {
            let (draft, folder, route) = routed(args, places)?;
            (draft, folder, Chosen::Route(route))
        }
    };
    Ok(Drafted { draft: random(draft), folder, chosen })
}

/// The router's choice among the models on this machine.
fn routed(args: &Generate, places: &Places) -> Result<(Draft, PathBuf, Route)> {
    let installed = models::installed(&places.data_dir, places.models_dir.as_deref());
    let profiles = Profiles::open(&places.data_dir)?;
    let candidates = installed.iter().filter_map(|model| {
        let known = presets::for_model(&model.id).is_ok_and(|preset| preset.is_some());
        let limits = model.limits.as_ref().ok()?;
        Some(Candidate { id: &model.id, limits, family: model.family, known })
    });
    let asked = RouteRequest {
        prompt: &args.prompt,
        start_image: args.image.is_some(),
        end_image: args.last_image.is_some(),
        clip: args.continue_from.is_some(),
        loras: !args.loras.is_empty(),
        size: args.size,
        model: None,
        mode: args.mode,
    };
    let route = plan::route(&asked, &candidates.collect::<Vec<_>>(), &profiles)?;
    let chosen = installed.iter().find(|model| model.id == route.model).ok_or_else(|| {
        Error::new(Kind::Bug, format!("The router chose {}, which is not there", route.model))
    })?;
    let mut draft = new_form(&chosen.id, (route.mode, chosen.family), &profiles)?;
    draft.model.clone_from(&chosen.id);
    Ok((draft, chosen.path.clone(), route))
}

/// What a new form for a model has: its own preset or its mode's, with the numbers of the table of modes.
fn new_form(id: &str, (mode, family): (Mode, Option<Family>), profiles: &Profiles) -> Result<Draft> {
    let preset = presets::for_model(id)?.map_or_else(|| presets::for_mode(mode), Ok)?;
    let mut draft = preset.draft("");
    if let Some(profile) = profiles.of(mode, family) {
        (draft.steps, draft.frames) = (profile.steps.default, profile.frames.default);
    }
    Ok(draft)
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The preset's number of pixels in the shape of the picture that the video starts from, if it takes one.
fn size_like_picture(args: &Generate, model: &Path, preset: Resolution) -> Result<Resolution> {
    let Some(picture) = args.image.as_ref().or(args.continue_from.as_ref()) else { return Ok(preset) };
    let model = models::open(model)?;
    if model.modes.contains(&Mode::T2V) {
        // refused with all else that is wrong when the request is checked
        return Ok(preset);
    }
    Ok(model.strides().size_like(preset, media::image_size(picture)?))
}
