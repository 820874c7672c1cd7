//! The settings of a job: a draft that may be invalid, and a request that was validated.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice, Sampler, WeightsChoice};
use super::component_files::ComponentFiles;
use super::device_choice::DeviceChoices;
use super::error::{Error, Kind, Result};
use super::geometry::Strides;
use super::lora::LoraChoice;
use super::mode::Mode;
use super::quantisation::Quantisation;
use super::step_list::StepList;
use super::units::{FlowShift, Fps, FrameCount, Guidance, Resolution, Seed, StepCount};

/// Unchecked settings from the form, the command line or a preset. Validate them with [`GenRequest::parse`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Prompt.
    pub prompt: String,
    /// Negative prompt; used only where guidance is above 1.
    pub negative_prompt: String,
    /// Model id or folder.
    pub model: String,
    /// Mode; `None` for the model's default.
    pub mode: Option<Mode>,
    /// Image of the first frame.
    #[serde(default, alias = "image")]
    pub start_image: Option<PathBuf>,
    /// Image of the last frame, beside a start image.
    #[serde(default, alias = "last_image")]
    pub end_image: Option<PathBuf>,
    /// A clip whose last frame is the start image.
    #[serde(default)]
    pub continue_from: Option<PathBuf>,
    /// Seed of the starting noise.
    pub seed: u64,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale of the high-noise expert (and of a single transformer).
    pub guidance: f32,
    /// Guidance scale of the low-noise expert; the same as `guidance` if `None`.
    pub guidance_low: Option<f32>,
    /// Flow shift.
    pub shift: f32,
    /// Sampler.
    pub sampler: Sampler,
    /// Timesteps of a distilled model, instead of the sampler's own.
    #[serde(default)]
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    pub size: Resolution,
    /// Frames of video.
    pub frames: u32,
    /// Frames per second.
    pub fps: u32,
    /// Execution provider.
    pub provider: ProviderChoice,
    /// Precision.
    pub precision: PrecisionChoice,
    /// LoRAs, in the order they are applied.
    #[serde(default)]
    pub loras: Vec<LoraChoice>,
    /// VAE tile size in pixels; `None` for automatic.
    #[serde(default)]
    pub vae_tile: Option<u32>,
    /// Whether weights are packed in memory or read from their files.
    #[serde(default)]
    pub weights: WeightsChoice,
    /// Files chosen for components of the model.
    #[serde(default, skip_serializing_if = "ComponentFiles::is_empty")]
    pub components: ComponentFiles,
    /// Devices that the job is pinned to.
    #[serde(default, skip_serializing_if = "DeviceChoices::is_empty")]
    pub devices: DeviceChoices,
    /// File with the latents that denoising starts from, instead of noise made from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents_in: Option<PathBuf>,
    /// Threshold of the step cache; `None` computes every step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<f32>,
    /// Fraction of the training timesteps from which the high-noise expert runs; the model's own if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<f32>,
}

/// Limits of a model, read from its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name shown in messages.
    pub model: String,
    /// Modes that the model supports; the first is the default.
    pub modes: Vec<Mode>,
    /// Strides of its VAE and patch embedding.
    pub strides: Strides,
    /// Positions per axis of its rotary embedding (`rope_max_seq_len`).
    pub max_positions: u32,
    /// Whether it supports LoRAs.
    pub lora: bool,
    /// Quantisation of its matrices; `None` if they are floating point.
    pub quantisation: Option<Quantisation>,
}

/// Validated settings of a job; every value can be run on the model it was parsed for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenRequest {
    /// Prompt.
    pub prompt: String,
    /// Negative prompt.
    pub negative_prompt: String,
    /// Model id or folder, as given.
    pub model: String,
    /// The mode that will run.
    pub mode: Mode,
    /// Image of the first frame.
    #[serde(alias = "image")]
    pub start_image: Option<PathBuf>,
    /// Image of the last frame.
    #[serde(alias = "last_image")]
    pub end_image: Option<PathBuf>,
    /// A clip whose last frame is the start image.
    pub continue_from: Option<PathBuf>,
    /// Seed of the starting noise.
    pub seed: Seed,
    /// Denoising steps.
    pub steps: StepCount,
    /// Guidance scale of the high-noise expert.
    pub guidance: Guidance,
    /// Guidance scale of the low-noise expert.
    pub guidance_low: Guidance,
    /// Flow shift.
    pub shift: FlowShift,
    /// Sampler.
    pub sampler: Sampler,
    /// Timesteps of a distilled model, instead of the sampler's own.
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    pub size: Resolution,
    /// Frames of video.
    pub frames: FrameCount,
    /// Frames per second.
    pub fps: Fps,
    /// Execution provider.
    pub provider: ProviderChoice,
    /// Precision.
    pub precision: PrecisionChoice,
    /// LoRAs, in the order they are applied.
    pub loras: Vec<LoraChoice>,
    /// VAE tile size in pixels; `None` for automatic.
    pub vae_tile: Option<u32>,
    /// Whether weights are packed in memory or read from their files.
    pub weights: WeightsChoice,
    /// Files chosen for components of the model.
    #[serde(default, skip_serializing_if = "ComponentFiles::is_empty")]
    pub components: ComponentFiles,
    /// Devices that the job is pinned to.
    #[serde(default, skip_serializing_if = "DeviceChoices::is_empty")]
    pub devices: DeviceChoices,
    /// File with the latents that denoising starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents_in: Option<PathBuf>,
    /// Threshold of the step cache; `None` computes every step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<f32>,
    /// Fraction of the training timesteps from which the high-noise expert runs; the model's own if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<f32>,
}

/// Maximum number of characters of a prompt, far more than the 512 tokens that the text encoder reads.
const MAX_PROMPT_CHARS: usize = 10_000;
/// Maximum number of steps: the schedulers have 1000 training timesteps.
const MAX_STEPS: u32 = 1000;
const GUIDANCE: std::ops::RangeInclusive<f32> = 1.0..=50.0;
const SHIFT: std::ops::RangeInclusive<f32> = 0.01..=100.0;
const MAX_FPS: u32 = 240;
/// Thresholds of the step cache; the authors of the method use 0.05, `ComfyUI`'s node 0.2.
const STEP_CACHE: std::ops::RangeInclusive<f32> = 0.001..=3.0;
/// From all steps on the high-noise expert to none, or one of pure noise, as the sampler has it.
const BOUNDARY: std::ops::RangeInclusive<f32> = 0.0..=1.0;
/// Smallest VAE tile in latent cells per side; neighbouring tiles overlap.
const MIN_TILE_CELLS: u32 = 4;

impl GenRequest {
    /// Validates `draft` against the limits of a model. The error is the first of [`Draft::problems`].
    pub fn parse(draft: &Draft, limits: &Limits) -> Result<Self> {
        if let Some(first) = draft.problems(limits).into_iter().next() {
            return Err(first);
        }
        Ok(Self {
            prompt: draft.prompt.clone(),
            negative_prompt: draft.negative_prompt.clone(),
            model: draft.model.clone(),
            mode: draft.mode_for(limits)?,
            start_image: draft.start_image.clone(),
            end_image: draft.end_image.clone(),
            continue_from: draft.continue_from.clone(),
            seed: Seed(draft.seed),
            steps: StepCount(draft.steps),
            guidance: Guidance(draft.guidance),
            guidance_low: Guidance(draft.guidance_low.unwrap_or(draft.guidance)),
            shift: FlowShift(draft.shift),
            sampler: draft.sampler,
            step_list: draft.step_list.clone(),
            size: draft.size,
            frames: FrameCount(draft.frames),
            fps: Fps(draft.fps),
            provider: draft.provider,
            precision: draft.precision,
            loras: draft.loras.clone(),
            vae_tile: draft.vae_tile,
            weights: draft.weights,
            components: draft.components.clone(),
            devices: draft.devices.clone(),
            latents_in: draft.latents_in.clone(),
            step_cache: draft.step_cache,
            boundary: draft.boundary,
        })
    }

    /// Whether the first frame is given, as a start image or as a clip to continue.
    pub fn starts_from_image(&self) -> bool {
        self.start_image.is_some() || self.continue_from.is_some()
    }
}

impl Draft {
    /// All reasons why this draft cannot be run on a model, at most one error per field; empty if it can.
    pub fn problems(&self, limits: &Limits) -> Vec<Error> {
        let checks = [
            check_prompt("prompt", &self.prompt),
            check_prompt("negative_prompt", &self.negative_prompt),
            self.mode_for(limits).map(drop),
            in_range("steps", self.steps, &(1..=MAX_STEPS)),
            in_range("guidance", self.guidance, &GUIDANCE),
            self.guidance_low.map_or(Ok(()), |low| in_range("guidance_low", low, &GUIDANCE)),
            in_range("shift", self.shift, &SHIFT),
            self.step_list.as_ref().map_or(Ok(()), |list| list.check(StepCount(self.steps))),
            self.check_size(limits),
            self.check_frames(limits),
            in_range("fps", self.fps, &(1..=MAX_FPS)),
            self.check_compute(limits),
            DeviceChoices::check(self),
            self.check_vae_tile(limits),
            self.step_cache.map_or(Ok(()), |threshold| in_range("step_cache", threshold, &STEP_CACHE)),
            self.boundary.map_or(Ok(()), |boundary| in_range("boundary", boundary, &BOUNDARY)),
            LoraChoice::check_all(&self.loras, limits),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// The mode that will be used on a model: the one set, else the model's default.
    ///
    /// Fails with [`Kind::Input`] if the model does not support it, or if an image or the prompt is missing or not allowed.
    pub fn mode_for(&self, limits: &Limits) -> Result<Mode> {
        let Some(default) = limits.modes.first().copied() else {
            return Err(Error::new(Kind::Unsupported, format!("{} supports no mode", limits.model)));
        };
        let mode = self.mode.unwrap_or(default);
        if !limits.modes.contains(&mode) {
            return Err(invalid("mode", format!("{} supports {default}, not {mode}", limits.model))
                .remedy(format!("Set the mode to auto, or choose a model that supports {mode}")));
        }
        self.check_images(mode, limits)?;
        if mode != Mode::I2V && self.prompt.trim().is_empty() {
            return Err(invalid("prompt", format!("{mode} needs a prompt, but it is empty"))
                .remedy("Describe the video in the prompt"));
        }
        Ok(mode)
    }

    /// Whether the first frame is given, as a start image or as a clip to continue.
    pub fn starts_from_image(&self) -> bool {
        self.start_image.is_some() || self.continue_from.is_some()
    }

    fn check_images(&self, mode: Mode, limits: &Limits) -> Result<()> {
        let model = &limits.model;
        if self.start_image.is_some() && self.continue_from.is_some() {
            return Err(invalid(
                "continue_from",
                "A start image and a clip to continue cannot be used together",
            )
            .remedy("Remove one of them"));
        }
        match mode {
            Mode::T2V if self.starts_from_image() => Err(invalid(
                "start_image",
                format!("{model} is a text-to-video model and does not use a start image"),
            )
            .remedy("Remove the start image, or choose a model that supports i2v or ti2v")),
            Mode::I2V if !self.starts_from_image() => {
                Err(invalid("start_image", format!("{model} needs a start image, but none is given"))
                    .remedy("Choose a start image, or a model that supports t2v"))
            }
            _ if self.end_image.is_none() => Ok(()),
            Mode::I2V => Ok(()),
            _ => Err(invalid("end_image", format!("{model} does not support an end image"))
                .remedy("Remove it, or choose a model that supports i2v")),
        }
    }

    fn check_size(&self, limits: &Limits) -> Result<()> {
        let multiple = limits.strides.size_multiple();
        let Resolution { width, height } = self.size;
        if width == 0 || height == 0 || width % multiple != 0 || height % multiple != 0 {
            let near = |side: u32| (side + multiple / 2) / multiple * multiple;
            let nearest = Resolution::new(near(width).max(multiple), near(height).max(multiple));
            return Err(invalid(
                "size",
                format!(
                    "Width and height must be multiples of {multiple} for {}, not {}",
                    limits.model, self.size
                ),
            )
            .remedy(format!("The nearest valid size is {nearest}")));
        }
        let longest = limits.max_positions.saturating_mul(multiple);
        if width > longest || height > longest {
            return Err(invalid(
                "size",
                format!("{} supports sides up to {longest} pixels, not {}", limits.model, self.size),
            )
            .remedy(if self.start_image.is_some() || self.continue_from.is_some() {
                "Choose a smaller size; if the size follows the shape of the image, crop the image"
            } else {
                "Choose a smaller size"
            }));
        }
        Ok(())
    }

    fn check_frames(&self, limits: &Limits) -> Result<()> {
        let (frames, temporal) = (FrameCount(self.frames), limits.strides.temporal);
        if frames.0 == 0 {
            return Err(invalid("frames", "The video has 0 frames").remedy("Set at least 1 frame"));
        }
        let most = (limits.max_positions - 1).saturating_mul(temporal).saturating_add(1);
        if frames.0 > most {
            return Err(invalid(
                "frames",
                format!("{} supports at most {most} frames, not {}", limits.model, frames.0),
            )
            .remedy(format!("Set {most} frames or fewer")));
        }
        let (below, above) = limits.strides.nearest_frames(frames);
        if below != frames {
            return Err(invalid(
                "frames",
                format!("The number of frames must be {temporal}n+1 for {}, not {}", limits.model, frames.0),
            )
            .remedy(format!("Set {} or {} frames", below.0, above.0)));
        }
        Ok(())
    }

    fn check_vae_tile(&self, limits: &Limits) -> Result<()> {
        let least = MIN_TILE_CELLS * limits.strides.spatial;
        match self.vae_tile {
            Some(tile) if tile < least => Err(invalid(
                "vae_tile",
                format!("The VAE tile size is {tile} pixels, but at least {least} are needed"),
            )
            .remedy(format!("Set at least {least} pixels"))),
            _ => Ok(()),
        }
    }

    fn check_compute(&self, limits: &Limits) -> Result<()> {
        self.precision.check(self.provider, limits)
    }
}

fn check_prompt(field: &'static str, text: &str) -> Result<()> {
    let chars = text.chars().count();
    if chars <= MAX_PROMPT_CHARS {
        return Ok(());
    }
    Err(invalid(
        field,
        format!(
            "The {} has {chars} characters, but at most {MAX_PROMPT_CHARS} are allowed",
            field.replace('_', " ")
        ),
    )
    .remedy("Shorten it: the model reads 512 tokens, about 350 words"))
}

fn invalid(field: &'static str, message: impl Into<String>) -> Error {
    Error::new(Kind::Input, message).field(field)
}

fn in_range<T: Copy + PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("The {field} must be from {} to {}, not {value}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    fn limits() -> Limits {
        Limits {
            model: "toy".into(),
            modes: vec![Mode::T2V],
            strides: Strides { temporal: 4, spatial: 8, patch: 2 },
            max_positions: 64,
            lora: true,
            quantisation: None,
        }
    }

    #[test]
    fn a_good_draft_becomes_a_request() {
        let request = GenRequest::parse(&draft(), &limits()).unwrap();
        assert_eq!((request.mode, request.guidance_low), (Mode::T2V, Guidance(2.0)));
    }

    #[test]
    fn every_bad_field_is_named() {
        type Spoil = fn(&mut Draft);
        let table: [(&str, Spoil); 24] = [
            ("prompt", |d| d.prompt = "  \n ".into()),
            ("prompt", |d| d.prompt = "x".repeat(100_000)),
            ("negative_prompt", |d| d.negative_prompt = "x".repeat(100_000)),
            ("mode", |d| d.mode = Some(Mode::TI2V)),
            ("start_image", |d| d.start_image = Some("a.png".into())),
            ("start_image", |d| d.continue_from = Some("a.mp4".into())),
            ("end_image", |d| d.end_image = Some("a.png".into())),
            ("steps", |d| d.steps = 0),
            ("guidance", |d| d.guidance = f32::NAN),
            ("guidance_low", |d| d.guidance_low = Some(0.0)),
            ("shift", |d| d.shift = f32::INFINITY),
            ("size", |d| d.size = Resolution::new(0, 64)),
            ("size", |d| d.size = Resolution::new(72, 64)),
            ("size", |d| d.size = Resolution::new(64, 1040)),
            ("frames", |d| d.frames = 16),
            ("frames", |d| d.frames = u32::MAX),
            ("fps", |d| d.fps = 0),
            ("precision", |d| {
                (d.provider, d.precision) = (ProviderChoice::Cpu, PrecisionChoice::Bf16);
            }),
            ("vae_tile", |d| d.vae_tile = Some(8)),
            ("step_cache", |d| d.step_cache = Some(0.0)),
            ("step_cache", |d| d.step_cache = Some(f32::NAN)),
            ("boundary", |d| d.boundary = Some(1.5)),
            ("boundary", |d| d.boundary = Some(f32::NAN)),
            ("lora", |d| d.loras = vec![LoraChoice { strength: f32::NAN, ..LoraChoice::new("a") }]),
        ];
        for (index, (field, spoil)) in table.into_iter().enumerate() {
            let mut bad = draft();
            spoil(&mut bad);
            let problems = bad.problems(&limits());
            let fields: Vec<_> = problems.iter().filter_map(Error::field_name).collect();
            assert_eq!(fields, [field], "case {index}: {problems:?}");
        }
    }

    #[test]
    fn image_to_video_needs_a_start_image_but_no_prompt() {
        let i2v = Limits { modes: vec![Mode::I2V], ..limits() };
        let start = Draft { start_image: Some("a.png".into()), prompt: String::new(), ..draft() };
        let end = Draft { end_image: Some("b.png".into()), ..start.clone() };
        let both = Draft { continue_from: Some("a.mp4".into()), ..start.clone() };
        for (draft, field) in
            [(draft(), Some("start_image")), (start, None), (end, None), (both, Some("continue_from"))]
        {
            let error = GenRequest::parse(&draft, &i2v).err();
            assert_eq!(error.as_ref().and_then(Error::field_name), field, "{error:?}");
        }
    }

    #[test]
    fn an_invalid_number_of_frames_suggests_the_nearest() {
        let bad = Draft { frames: 16, ..draft() };
        let text = format!("{:#}", GenRequest::parse(&bad, &limits()).unwrap_err());
        assert!(text.contains("13 or 17"), "{text}");
        // not the next number that is no less impossible
        let bad = Draft { frames: 1_000_000, ..draft() };
        let text = format!("{:#}", GenRequest::parse(&bad, &limits()).unwrap_err());
        assert!(text.contains("frames or fewer"), "{text}");
    }
}
