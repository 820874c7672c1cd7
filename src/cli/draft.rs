//! From the command line to a form: the preset first, then what was given beside it.

use std::path::{Path, PathBuf};

use super::Places;
use super::args::Generate;
use crate::core::{Draft, Error, Kind, LoraChoice, Mode, Resolution, Result, Seed};
use crate::queue::Recorded;
use crate::{media, models, presets};

/// What runs when neither a model nor a preset is named.
const DEFAULT_PRESET: &str = "toy-t2v";

/// The form, and the folder of its model.
pub(super) fn draft(args: &Generate, places: &Places) -> Result<(Draft, PathBuf)> {
    let (mut draft, folder) = start(args, places)?;
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
        (&mut draft.image, &args.image),
        (&mut draft.last_image, &args.last_image),
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
    let (hardware, optimization) = (&places.settings.hardware, &places.settings.optimization);
    // the settings speak where a preset has nothing to say; a form from a file says what it was made with
    let settled = args.from.is_some();
    let (provider, precision) =
        if settled { (draft.provider, draft.precision) } else { (hardware.provider, optimization.precision) };
    draft.provider = args.provider.unwrap_or(provider);
    draft.precision = args.precision.unwrap_or(precision);
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
    Ok((draft, folder))
}

/// What the command line changes: the form that made a file, or a preset's with a seed by chance.
fn start(args: &Generate, places: &Places) -> Result<(Draft, PathBuf)> {
    let find = |id: &str| models::find(id, &places.data_dir, places.models_dir.as_deref());
    if let Some(file) = &args.from {
        let recorded = Recorded::read(file)?.ok_or_else(|| {
            Error::new(Kind::Input, format!("{} carries no settings", file.display()))
                .field("from")
                .remedy("Give a video that was made with Wandeck")
        })?;
        let folder = find(args.model.as_ref().unwrap_or(&recorded.draft.model))?;
        return Ok((recorded.draft, folder));
    }
    let (preset, folder) = match (&args.preset, &args.model) {
        (Some(name), model) => {
            let preset = presets::by_name(name)?;
            let folder = find(model.as_ref().unwrap_or(&preset.model))?;
            (preset, folder)
        }
        (None, Some(model)) => {
            let folder = find(model)?;
            let checkpoint = models::open(&folder)?;
            let own = presets::for_model(&checkpoint.id)?;
            (own.map_or_else(|| presets::for_mode(checkpoint.modes[0]), Ok)?, folder)
        }
        (None, None) => {
            let preset = presets::by_name(DEFAULT_PRESET)?;
            let folder = find(&preset.model)?;
            (preset, folder)
        }
    };
    Ok((Draft { seed: Seed::by_chance().0, ..preset.draft("") }, folder))
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
    Ok(model.strides().size_like(preset, media::picture_size(picture)?))
}
