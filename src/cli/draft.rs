//! From the command line to a form: the preset first, then what was given beside it.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use super::Places;
use super::args::Generate;
use crate::core::{Draft, LoraChoice, Mode, Resolution, Result};
use crate::{media, models, presets};

/// What runs when neither a model nor a preset is named.
const DEFAULT_PRESET: &str = "toy-t2v";

/// The form, and the folder of its model.
pub(super) fn draft(args: &Generate, places: &Places) -> Result<(Draft, PathBuf)> {
    let find = |id: &str| models::find(id, &places.data_dir, places.models_dir.as_deref());
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
    let mut draft = preset.draft(&args.prompt);
    if let Some(model) = &args.model {
        draft.model.clone_from(model);
    }
    draft.mode = args.mode;
    draft.image.clone_from(&args.image);
    draft.last_image.clone_from(&args.last_image);
    draft.continue_from.clone_from(&args.continue_from);
    draft.seed = args.seed.unwrap_or_else(random_seed);
    // the output keeps the paths, and will be looked at from elsewhere
    let absolute = |choice: &LoraChoice| LoraChoice {
        file: std::path::absolute(&choice.file).unwrap_or_else(|_| choice.file.clone()),
        ..choice.clone()
    };
    draft.loras = args.loras.iter().map(absolute).collect();
    draft.provider = args.provider;
    draft.precision = args.precision;
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

/// 32 bits, so that the seed can be read and typed, and torch's generator reads no more.
fn random_seed() -> u64 {
    RandomState::new().hash_one(std::time::SystemTime::now()) & 0xffff_ffff
}
