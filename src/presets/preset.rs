//! The preset file.

use serde::{Deserialize, Serialize};

use crate::core::{
    Draft, Error, Kind, Mode, PrecisionChoice, ProviderChoice, Resolution, Result, Sampler, StepList,
    WeightsChoice,
};

/// Named settings of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Version of the file format, 1.
    pub version: u32,
    /// The name.
    pub name: String,
    /// One sentence on its purpose and the source of its values.
    #[serde(alias = "about")]
    pub description: String,
    /// Id of the model it is made for.
    pub model: String,
    /// Mode it is made for.
    pub mode: Mode,
    /// The settings.
    pub settings: PresetFields,
}

/// The settings of a preset; prompt, seed and everything about the machine are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetFields {
    /// Negative prompt.
    #[serde(default)]
    pub negative_prompt: String,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale of the high-noise expert, or of the only transformer.
    pub guidance: f32,
    /// Guidance scale of the low-noise expert; defaults to `guidance`.
    #[serde(default)]
    pub guidance_low: Option<f32>,
    /// Flow shift.
    pub shift: f32,
    /// Sampler.
    #[serde(default)]
    pub sampler: Sampler,
    /// Timesteps of a distilled model, which replace the sampler's schedule.
    #[serde(default)]
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    pub size: Resolution,
    /// Number of frames.
    pub frames: u32,
    /// Frames per second.
    pub fps: u32,
    /// Threshold of the step cache; off by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<f32>,
}

/// Version of the file format.
const VERSION: u32 = 1;

impl Preset {
    /// Reads a preset; `source` is its name in errors.
    pub fn parse(text: &str, source: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::Input, format!("{source} is not a valid preset: {why}"))
                .field("preset")
                .remedy("Correct the file")
        };
        let options =
            ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let preset: Self = options.from_str(text).map_err(|error| wrong(error.to_string()))?;
        if preset.version != VERSION {
            return Err(wrong(format!("version {} is not supported, only {VERSION}", preset.version)));
        }
        Ok(preset)
    }

    /// A preset with the settings of a draft.
    pub fn of(draft: &Draft, mode: Mode, name: &str, description: &str) -> Self {
        Self {
            version: VERSION,
            name: name.trim().to_owned(),
            description: description.trim().to_owned(),
            model: draft.model.clone(),
            mode,
            settings: PresetFields {
                negative_prompt: draft.negative_prompt.clone(),
                steps: draft.steps,
                guidance: draft.guidance,
                guidance_low: draft.guidance_low,
                shift: draft.shift,
                sampler: draft.sampler,
                step_list: draft.step_list.clone(),
                size: draft.size,
                frames: draft.frames,
                fps: draft.fps,
                step_cache: draft.step_cache,
            },
        }
    }

    /// The text of its file.
    pub fn to_ron(&self) -> Result<String> {
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default())
            .map_err(|error| Error::new(Kind::Bug, "Cannot encode the preset as RON").because(error))
    }

    /// A draft with these settings.
    pub fn draft(&self, prompt: &str) -> Draft {
        let settings = &self.settings;
        Draft {
            prompt: prompt.to_owned(),
            negative_prompt: settings.negative_prompt.clone(),
            model: self.model.clone(),
            mode: None,
            start_image: None,
            end_image: None,
            continue_from: None,
            seed: 0,
            steps: settings.steps,
            guidance: settings.guidance,
            guidance_low: settings.guidance_low,
            shift: settings.shift,
            sampler: settings.sampler,
            step_list: settings.step_list.clone(),
            size: settings.size,
            frames: settings.frames,
            fps: settings.fps,
            provider: ProviderChoice::Auto,
            precision: PrecisionChoice::Auto,
            loras: Vec::new(),
            vae_tile: None,
            weights: WeightsChoice::Auto,
            step_cache: settings.step_cache,
        }
    }
}
