//! Memory of each stage on a GPU, by formula.
//!
//! The VAE's part was fitted to decodes on an H200 (25.0, 55.2 and 43.2 GiB for A14B at 832x480 and 1280x720 and for the 5B
//! at 1280x704, in one piece; the forecasts are 25, 57 and 51). Graphs for a GPU are not cut into row blocks, and their
//! weights have the type that they compute in, or stay what they are if they have 8 bits.

use std::iter;

use super::block::Block;
use super::check::memory_finding_with_fixes;
use super::device_fit::{DeviceFit, device_fit};
use super::facts::PreflightFacts;
use super::fixes::Fit;
use super::memory_plan::StageCost;
use super::size::{ComponentSize, EightBitPart};
use super::streamed::Ends;
use super::vae::{Chunk, decoder_chunk, encoder_chunk};
use super::{fixes, memory, memory_plan};
use crate::core::{Bytes, Finding, Mode, Provider, Resolution, Severity, Stage, Subject};
use crate::pipeline::{ComponentId, RowPlan};
use crate::wan::TransformerConfig;
use crate::wan::graphs::{RowChunks, Segments};
use crate::wan::tiles::Tiling;
use crate::wan::{VaeSplit, vae_cost};

/// Bytes of an fp32 value, the unit in which weights and values of the VAE are counted before conversion.
const F32: u64 = 4;
/// Bytes that the CUDA context, its libraries and ONNX Runtime's arena take before the first value.
const CONTEXT: u64 = 700 << 20;
/// Tokens of the longest prompt (`max_sequence_length` of diffusers' Wan pipelines).
const TEXT_TOKENS: u64 = 512;
/// Safety margin on what is not weights, in percent.
const MARGIN_PERCENT: u64 = 10;
/// What the arena takes for the VAE, in percent of what is alive at once in one tile.
const VAE_LIVE_PERCENT: u64 = 229;
/// Tiles of the VAE are tried in steps of this part of the longer side.
const TILE_STEPS: u32 = 8;

/// Memory of the GPU that will compute, and the size of the values that each component computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Total memory.
    pub total: Bytes,
    /// Free memory at this moment; `None` if the driver does not report it.
    pub free: Option<Bytes>,
    /// Bytes of one value in each component.
    pub value_bytes: ValueBytes,
}

impl DeviceFacts {
    /// The memory that a run may take.
    pub(super) fn available(&self) -> Bytes {
        self.free.unwrap_or(self.total).min(self.total)
    }
}

/// Bytes of one value in the type that a component computes in: 4 for fp32, 2 for bf16 and fp16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueBytes {
    /// Of the text encoder.
    pub text_encoder: u64,
    /// Of both experts.
    pub transformer: u64,
    /// Of the VAE.
    pub vae: u64,
}

/// Memory that every stage needs on the device, margin included, if the weights of text encoder and transformers are
/// `streamed` or not.
pub(super) fn costs(facts: &PreflightFacts<'_>, device: DeviceFacts, streamed: bool) -> Vec<StageCost> {
    let PreflightFacts { request, model, .. } = facts;
    let ValueBytes { text_encoder: text_bytes, transformer: dit_bytes, vae: vae_bytes } = device.value_bytes;
    let text = TEXT_TOKENS * F32 * (6 * model.text.d_model as u64 + 3 * model.text.d_ff as u64);
    let text = text + dequantised(model.text_encoder, text_bytes);
    let text_weights = weights(model.text_encoder, text_bytes);
    let held = if streamed {
        Ends::of_text_encoder(&model.text).held_on_gpu(text_weights, text_bytes)
    } else {
        text_weights
    };
    let mut stages = vec![stage(Stage::Text, held + model.text_table.0, text)];
    let tiles = memory::tiling(facts);
    if request.starts_from_image() {
        let cell = model.vae.scale_factor_spatial as usize;
        let [height, width] = tiles.tile().map(|cells| (cells * cell) as u32);
        let one_frame = request.mode != Mode::I2V || request.frames.0 == 1;
        let chunk = encoder_chunk(&model.vae, Resolution::new(width, height), one_frame);
        // one graph for the first frame, and one for the others
        let graphs = if one_frame { 1 } else { 2 };
        let weights = graphs * weights(model.vae_encoder, vae_bytes);
        stages.push(stage(Stage::Image, weights, vae_values(chunk, vae_bytes)));
    }
    for ((name, component), loras) in [Stage::DenoiseHigh, Stage::DenoiseLow]
        .into_iter()
        .zip(memory::experts(model))
        .zip(facts.loras)
        .zip(facts.steps)
        .filter_map(|(expert, steps)| (steps > 0).then_some(expert))
    {
        // the facts count LoRA weights as fp32
        let loras = loras.0 / F32 * dit_bytes;
        stages.push(denoise(facts, device, streamed, &Expert { stage: name, component, loras }));
    }
    stages.push(decode(facts, device, &tiles));
    stages
}

/// An expert phase.
struct Expert {
    stage: Stage,
    component: ComponentSize,
    /// Bytes of its LoRAs.
    loras: u64,
}

/// Memory of an expert phase, in as few chunks of rows as fit.
fn denoise(facts: &PreflightFacts<'_>, device: DeviceFacts, streamed: bool, expert: &Expert) -> StageCost {
    let PreflightFacts { request, model, .. } = facts;
    let &Expert { stage: name, component, loras } = expert;
    let config = &model.transformer;
    let bytes = device.value_bytes.transformer;
    let latent = model.strides.latent(config.in_channels, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as u64;
    // tokens with timesteps of their own
    let segments =
        if model.expand_timesteps && request.starts_from_image() { Segments::Two } else { Segments::One };
    let matrix = dequantised(component, bytes);
    let block = Block { config, tokens, value_bytes: bytes, matrix, segments };
    let all = weights(component, bytes);
    if facts.provider != Provider::Cuda || model.exported.is_some() {
        return stage(name, all, loras + block.unrecorded());
    }
    let held = if streamed { Ends::of_transformer(config).held_on_gpu(all, bytes) } else { all };
    let second = facts.second_device.map_or(Bytes(u64::MAX), |second| second.available());
    let available = device.available().min(second);
    let beside = loras + beside_blocks(config, tokens);
    let in_chunks = |chunks| {
        let memory = block.on_cuda(chunks, streamed);
        let cost = stage(name, held, beside + memory.bytes());
        StageCost { rows: RowPlan { chunks, in_one_piece: Bytes(memory.in_one_piece) }, ..cost }
    };
    // segments have norms of their own, which are computed for all rows
    if segments == Segments::Two {
        return in_chunks(RowChunks::default());
    }
    let [most @ .., least] = RowChunks::ALL.map(in_chunks);
    most.into_iter().find(|cost| cost.peak <= available).unwrap_or(least)
}

/// Bytes of what stays on the device for all passes of a step: the tables of the rotary embedding, the transformer's input,
/// the velocities of both passes, and what guidance makes of them.
fn beside_blocks(config: &TransformerConfig, tokens: u64) -> u64 {
    let patch = config.patch_size.iter().product::<usize>();
    let videos = patch * (config.in_channels + 5 * config.channels_out());
    tokens * F32 * (config.attention_head_dim + videos) as u64
}

/// Bytes of a component's weights on the device, if what is not of 8 bits has `value_bytes` each.
fn weights(component: ComponentSize, value_bytes: u64) -> u64 {
    let EightBitPart { stored, loaded, .. } = component.eight_bit;
    stored.0 + component.loaded.0.saturating_sub(loaded.0) / F32 * value_bytes
}

/// Bytes of the largest 8-bit matrix while it is dequantised: in fp32, and in the type that computes.
fn dequantised(component: ComponentSize, value_bytes: u64) -> u64 {
    let converted = if value_bytes < F32 { value_bytes } else { 0 };
    component.eight_bit.largest * (F32 + converted)
}

/// A stage whose weights and values take so many bytes. The weights are known; the margin is for the rest.
fn stage(stage: Stage, weights: u64, values: u64) -> StageCost {
    let with_margin = |bytes: u64| Bytes(weights + bytes / 100 * (100 + MARGIN_PERCENT));
    let (peak, kept) = (with_margin(CONTEXT + values), with_margin(values));
    let rows = RowPlan::default();
    StageCost { stage, weights: Bytes(weights), peak, droppable: Bytes(0), kept, made: kept, rows }
}

/// Bytes of the VAE's values.
fn vae_values(chunk: Chunk, value_bytes: u64) -> u64 {
    chunk.live * VAE_LIVE_PERCENT / 100 / F32 * value_bytes
}

/// Memory of the decode in these tiles.
fn decode(facts: &PreflightFacts<'_>, device: DeviceFacts, tiles: &Tiling) -> StageCost {
    let PreflightFacts { request, model, .. } = facts;
    let first = request.frames.0 == 1;
    let chunk = decoder_chunk(&model.vae, tiles.tile().into_iter().product::<usize>() as u64, first);
    let bytes = device.value_bytes.vae;
    let values = vae_values(chunk, bytes);
    stage(Stage::Decode, weights(model.vae_decoder, bytes), values)
}

/// The whole image if that fits into the free memory of the device, else the largest tiles that do. A few large tiles
/// waste less on their overlaps than many small ones.
pub(super) fn vae_split(facts: &PreflightFacts<'_>) -> VaeSplit {
    let PreflightFacts { request, model, .. } = facts;
    let smallest = vae_cost::tile_size(&model.vae, request.size, None).map(VaeSplit::Tiles);
    let Some(device) = facts.device else { return smallest.unwrap_or_default() };
    let free = device.available();
    let longer = request.size.width.max(request.size.height);
    let parts = (1..TILE_STEPS).rev().map(|part| longer * part / TILE_STEPS);
    let tiles = parts.filter_map(|edge| vae_cost::tile_size(&model.vae, request.size, Some(edge)));
    let fits = |split: &VaeSplit| decode(facts, device, &memory::tiles(request, model, *split)).peak <= free;
    let mut splits = iter::once(VaeSplit::Whole).chain(tiles.map(VaeSplit::Tiles));
    splits.find(fits).or(smallest).unwrap_or_default()
}

/// Warns if the run needs more than the device's free memory, blocks it if it needs more than the total, and says if
/// weights are streamed.
pub(super) fn finding(facts: &PreflightFacts<'_>) -> Option<Finding> {
    let (fit, needed, device) = fixes::fit_on_devices(facts)?;
    let available = device.available();
    let which = match facts.second_device {
        Some(second) if second == device && Some(second) != facts.device => {
            "Not enough memory on the second GPU"
        }
        _ => "Not enough GPU memory",
    };
    let (severity, compared) = match fit {
        Fit::Fits => return streaming(facts),
        Fit::Blocked => (Severity::Blocker, format!("the GPU has {}", device.total)),
        _ => (Severity::Warning, format!("{available} free of {}", device.total)),
    };
    let message =
        format!("{which}: about {needed} needed (estimate with a {MARGIN_PERCENT} % margin), {compared}");
    Some(memory_finding_with_fixes(facts, severity, message))
}

/// Says where weights come from that the device does not hold.
fn streaming(facts: &PreflightFacts<'_>) -> Option<Finding> {
    if facts.provider != Provider::Cuda {
        return None;
    }
    let Some((DeviceFit::Streamed(components), _)) = device_fit(facts) else { return None };
    let plan = memory_plan::memory_plan(facts);
    let (text, experts): (Vec<_>, Vec<_>) =
        components.into_iter().partition(|component| *component == ComponentId::TextEncoder);
    let weights = |of: Vec<ComponentId>| of.into_iter().map(|component| plan.of(component).weights).max();
    let (expert, text) = (weights(experts), weights(text));
    let what = match (expert, text) {
        (Some(expert), None) => {
            format!("the transformer's weights ({expert}) block by block in every step")
        }
        (None, Some(text)) => format!("the text encoder's weights ({text}) block by block for each prompt"),
        (Some(expert), Some(text)) => format!(
            "the transformer's weights ({expert}) block by block in every step and the text encoder's ({text}) for each prompt"
        ),
        (None, None) => return None,
    };
    let short = facts.free_memory.filter(|free| Some(*free) < expert.max(text));
    let (severity, from) = match short {
        None => (Severity::Note, "from main memory".to_owned()),
        Some(free) => {
            (Severity::Warning, format!("from disk, because {free} of main memory are free; that is slow"))
        }
    };
    let message = format!("The GPU gets {what}, {from}");
    Some(Finding { severity, subject: Subject::Memory, message, fixes: Vec::new(), figures: Vec::new() })
}
