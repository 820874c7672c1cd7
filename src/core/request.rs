//! What a person asks for: a draft that may be nonsense, and a request that can run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice, Sampler, WeightsChoice};
use super::error::{Error, Kind, Result};
use super::geometry::Strides;
use super::lora::LoraChoice;
use super::mode::Mode;
use super::quantisation::Quantisation;
use super::step_list::StepList;
use super::units::{FlowShift, Fps, FrameCount, Guidance, Resolution, Seed, StepCount};

/// A form as it stands, typed by a person or read from a preset. Parse it with [`GenRequest::parse`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// What should be seen.
    pub prompt: String,
    /// What should not be seen; used only where guidance is above 1.
    pub negative_prompt: String,
    /// Model id or folder.
    pub model: String,
    /// Fixed mode, or `None` to let it follow from what is given.
    pub mode: Option<Mode>,
    /// Image of the first frame.
    #[serde(default, alias = "image")]
    pub start_image: Option<PathBuf>,
    /// Image of the last frame, beside a start image.
    #[serde(default, alias = "last_image")]
    pub end_image: Option<PathBuf>,
    /// A clip whose last frame is the first picture.
    #[serde(default)]
    pub continue_from: Option<PathBuf>,
    /// Starting noise.
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
    /// Timesteps of a distilled model, instead of the sampler's own grid.
    #[serde(default)]
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    pub size: Resolution,
    /// Frames of video.
    pub frames: u32,
    /// Frames per second.
    pub fps: u32,
    /// Where to run.
    pub provider: ProviderChoice,
    /// What to compute in.
    pub precision: PrecisionChoice,
    /// LoRAs, in the order they are added.
    #[serde(default)]
    pub loras: Vec<LoraChoice>,
    /// Edge of a VAE tile in pixels; `None` leaves it to the program.
    #[serde(default)]
    pub vae_tile: Option<u32>,
    /// Where the weights are.
    #[serde(default)]
    pub weights: WeightsChoice,
}

/// What a model can take; read from its own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name shown in messages.
    pub model: String,
    /// Modes the model's pipeline offers.
    pub modes: Vec<Mode>,
    /// Strides of its VAE and patch embedding.
    pub strides: Strides,
    /// Positions per axis of its rotary embedding (`rope_max_seq_len`).
    pub max_positions: u32,
    /// Whether it takes LoRAs.
    pub lora: bool,
    /// The integers that its matrices are, if they are any.
    pub integers: Option<Quantisation>,
}

/// A request that exists is runnable on the model it was parsed for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenRequest {
    /// What should be seen.
    pub prompt: String,
    /// What should not be seen.
    pub negative_prompt: String,
    /// Model id or folder, as asked.
    pub model: String,
    /// The mode that will run.
    pub mode: Mode,
    /// First picture.
    pub start_image: Option<PathBuf>,
    /// Last picture.
    pub end_image: Option<PathBuf>,
    /// A clip whose last frame is the first picture.
    pub continue_from: Option<PathBuf>,
    /// Starting noise.
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
    /// Timesteps of a distilled model, instead of the sampler's own grid.
    pub step_list: Option<StepList>,
    /// Width and height in pixels.
    pub size: Resolution,
    /// Frames of video.
    pub frames: FrameCount,
    /// Frames per second.
    pub fps: Fps,
    /// Where to run.
    pub provider: ProviderChoice,
    /// What to compute in.
    pub precision: PrecisionChoice,
    /// LoRAs, in the order they are added.
    pub loras: Vec<LoraChoice>,
    /// Edge of a VAE tile in pixels; `None` leaves it to the program.
    pub vae_tile: Option<u32>,
    /// Where the weights are.
    pub weights: WeightsChoice,
}

/// Characters in a prompt; the text encoder reads 512 tokens, which is well below.
const MAX_PROMPT_CHARS: usize = 10_000;
/// Steps; the schedules have 1000 training timesteps.
const MAX_STEPS: u32 = 1000;
const GUIDANCE: std::ops::RangeInclusive<f32> = 1.0..=50.0;
const SHIFT: std::ops::RangeInclusive<f32> = 0.01..=100.0;
const MAX_FPS: u32 = 240;
/// Latent cells along the edge of the smallest VAE tile; a part of them overlaps with the next tile.
const MIN_TILE_CELLS: u32 = 4;

impl GenRequest {
    /// Checks `draft` against what a model can take. The error is the first of [`Draft::problems`].
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
        })
    }

    /// Whether a first picture is given, as a file or as the end of a clip.
    pub fn starts_from_picture(&self) -> bool {
        self.start_image.is_some() || self.continue_from.is_some()
    }
}

impl Draft {
    /// Everything that keeps this draft from running on a model, one error a field; empty means it runs.
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
            self.check_vae_tile(limits),
            LoraChoice::check_all(&self.loras, limits),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// The mode that follows from what is given and what the model offers.
    pub fn mode_for(&self, limits: &Limits) -> Result<Mode> {
        let Some(natural) = limits.modes.first().copied() else {
            return Err(Error::new(Kind::Unsupported, format!("{} offers no mode", limits.model)));
        };
        let mode = self.mode.unwrap_or(natural);
        if !limits.modes.contains(&mode) {
            return Err(invalid("mode", format!("{} cannot do {mode}, it does {natural}", limits.model))
                .remedy(format!("Leave the mode on auto, or choose a model that does {mode}")));
        }
        self.check_pictures(mode, limits)?;
        if mode != Mode::I2V && self.prompt.trim().is_empty() {
            return Err(invalid("prompt", format!("{mode} needs a prompt, and it is empty"))
                .remedy("Write what should be seen"));
        }
        Ok(mode)
    }

    /// Whether a first picture is given, as a file or as the end of a clip.
    pub fn starts_from_picture(&self) -> bool {
        self.start_image.is_some() || self.continue_from.is_some()
    }

    fn check_pictures(&self, mode: Mode, limits: &Limits) -> Result<()> {
        let model = &limits.model;
        if self.start_image.is_some() && self.continue_from.is_some() {
            return Err(invalid(
                "continue_from",
                "A video starts from a picture or from a clip's end, not from both",
            )
            .remedy("Leave one of them out"));
        }
        match mode {
            Mode::T2V if self.starts_from_picture() => {
                Err(invalid("start_image", format!("{model} makes video from words and takes no picture"))
                    .remedy("Leave the picture out, or choose a model that does i2v or ti2v"))
            }
            Mode::I2V if !self.starts_from_picture() => {
                Err(invalid("start_image", format!("{model} starts from a picture, and there is none"))
                    .remedy("Choose a picture, or a model that does t2v"))
            }
            _ if self.end_image.is_none() => Ok(()),
            Mode::I2V => Ok(()),
            _ => Err(invalid("end_image", format!("{model} takes no last picture"))
                .remedy("Leave it out, or choose a model that does i2v")),
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
                format!("{} needs sides that are multiples of {multiple}, not {}", limits.model, self.size),
            )
            .remedy(format!("The nearest is {nearest}")));
        }
        let longest = limits.max_positions.saturating_mul(multiple);
        if width > longest || height > longest {
            return Err(invalid(
                "size",
                format!("{} takes sides up to {longest} pixels, not {}", limits.model, self.size),
            )
            .remedy("Choose a smaller size"));
        }
        Ok(())
    }

    fn check_frames(&self, limits: &Limits) -> Result<()> {
        let (frames, temporal) = (FrameCount(self.frames), limits.strides.temporal);
        if frames.0 == 0 {
            return Err(invalid("frames", "0 frames are no video").remedy("Ask for 1 frame at least"));
        }
        let (below, above) = limits.strides.nearest_frames(frames);
        if below != frames {
            return Err(invalid(
                "frames",
                format!("{} makes {temporal}n+1 frames, not {}", limits.model, frames.0),
            )
            .remedy(format!("Ask for {} or {}", below.0, above.0)));
        }
        let most = (limits.max_positions - 1).saturating_mul(temporal).saturating_add(1);
        if frames.0 > most {
            return Err(invalid(
                "frames",
                format!("{} makes {most} frames at most, not {}", limits.model, frames.0),
            )
            .remedy("Ask for fewer frames"));
        }
        Ok(())
    }

    fn check_vae_tile(&self, limits: &Limits) -> Result<()> {
        let least = MIN_TILE_CELLS * limits.strides.spatial;
        match self.vae_tile {
            Some(edge) if edge < least => Err(invalid(
                "vae_tile",
                format!("A VAE tile of {edge} pixels is too small to be joined to the next"),
            )
            .remedy(format!("Ask for {least} pixels at least"))),
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
        format!("The {} has {chars} characters, {MAX_PROMPT_CHARS} at most", field.replace('_', " ")),
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
            integers: None,
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
        let table: [(&str, Spoil); 20] = [
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
    fn a_picture_takes_the_place_of_the_prompt() {
        let i2v = Limits { modes: vec![Mode::I2V], ..limits() };
        let picture = Draft { start_image: Some("a.png".into()), prompt: String::new(), ..draft() };
        let last = Draft { end_image: Some("b.png".into()), ..picture.clone() };
        let both = Draft { continue_from: Some("a.mp4".into()), ..picture.clone() };
        for (draft, field) in
            [(draft(), Some("start_image")), (picture, None), (last, None), (both, Some("continue_from"))]
        {
            let error = GenRequest::parse(&draft, &i2v).err();
            assert_eq!(error.as_ref().and_then(Error::field_name), field, "{error:?}");
        }
    }

    #[test]
    fn frames_that_do_not_fit_name_their_neighbours() {
        let bad = Draft { frames: 16, ..draft() };
        let text = format!("{:#}", GenRequest::parse(&bad, &limits()).unwrap_err());
        assert!(text.contains("13 or 17"), "{text}");
    }
}
