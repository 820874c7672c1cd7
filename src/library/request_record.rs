//! The stored form of a request and its LoRAs, with the field names and order of version 0.1.
//!
//! They must not change: a video made again from the record of an older one has the same bytes, and the key of a resume
//! point is a hash over them. The program's own types may be renamed freely.

use std::path::Path;

use serde::Serialize;

use crate::core::{
    ComponentFiles, DeviceChoices, Expert, GenRequest, LoraChoice, LoraRecord, Mode, PrecisionChoice,
    ProviderChoice, Sampler, StepList, WeightsChoice,
};

/// The settings of a job.
#[derive(Clone, Serialize)]
pub(crate) struct RequestRecord<'a> {
    prompt: &'a str,
    negative_prompt: &'a str,
    model: &'a str,
    mode: Mode,
    image: Option<&'a Path>,
    last_image: Option<&'a Path>,
    continue_from: Option<&'a Path>,
    seed: u64,
    steps: u32,
    guidance: f32,
    guidance_low: f32,
    shift: f32,
    sampler: Sampler,
    step_list: Option<&'a StepList>,
    size: SizeRecord,
    frames: u32,
    fps: u32,
    provider: ProviderChoice,
    precision: PrecisionChoice,
    loras: Vec<LoraChoiceRecord<'a>>,
    vae_tile: Option<u32>,
    weights: WeightsChoice,
    /// Left out where it is off, so that records and keys without it stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_cache: Option<f32>,
    /// Left out where it is the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<f32>,
    /// Left out where nothing was chosen.
    #[serde(skip_serializing_if = "ComponentFiles::is_empty")]
    components: &'a ComponentFiles,
    /// Left out where none was chosen.
    #[serde(skip_serializing_if = "DeviceChoices::is_empty")]
    devices: &'a DeviceChoices,
    /// Left out where denoising starts from noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    latents_in: Option<&'a Path>,
}

impl<'a> RequestRecord<'a> {
    /// The record of `request`.
    pub(crate) fn of(request: &'a GenRequest) -> Self {
        Self {
            prompt: &request.prompt,
            negative_prompt: &request.negative_prompt,
            model: &request.model,
            mode: request.mode,
            image: request.start_image.as_deref(),
            last_image: request.end_image.as_deref(),
            continue_from: request.continue_from.as_deref(),
            seed: request.seed.0,
            steps: request.steps.0,
            guidance: request.guidance.0,
            guidance_low: request.guidance_low.0,
            shift: request.shift.0,
            sampler: request.sampler,
            step_list: request.step_list.as_ref(),
            size: SizeRecord { width: request.size.width, height: request.size.height },
            frames: request.frames.0,
            fps: request.fps.0,
            provider: request.provider,
            precision: request.precision,
            loras: request.loras.iter().map(LoraChoiceRecord::of).collect(),
            vae_tile: request.vae_tile,
            weights: request.weights,
            step_cache: request.step_cache,
            boundary: request.boundary,
            components: &request.components,
            devices: &request.devices,
            latents_in: request.latents_in.as_deref(),
        }
    }
}

/// Width and height in pixels.
#[derive(Clone, Serialize)]
struct SizeRecord {
    width: u32,
    height: u32,
}

/// A LoRA as requested.
#[derive(Clone, Serialize)]
struct LoraChoiceRecord<'a> {
    file: &'a Path,
    strength: f32,
    expert: Option<&'static str>,
}

impl<'a> LoraChoiceRecord<'a> {
    fn of(choice: &'a LoraChoice) -> Self {
        Self { file: &choice.file, strength: choice.strength, expert: choice.expert.map(expert) }
    }
}

/// How a LoRA was applied.
#[derive(Clone, Serialize)]
pub(crate) struct LoraFileRecord<'a> {
    file: &'a Path,
    sha256: &'a str,
    experts: Vec<&'static str>,
    dialect: &'a str,
    matched: usize,
    left_out: usize,
    dead: usize,
}

impl<'a> LoraFileRecord<'a> {
    /// The stored form of `record`, which the run made.
    pub(crate) fn of(record: &'a LoraRecord) -> Self {
        Self {
            file: &record.file,
            sha256: &record.sha256,
            experts: record.experts.iter().copied().map(expert).collect(),
            dialect: &record.format,
            matched: record.matched,
            left_out: record.left_out,
            dead: record.all_zero,
        }
    }
}

fn expert(expert: Expert) -> &'static str {
    match expert {
        Expert::High => "high",
        Expert::Low => "low",
    }
}
