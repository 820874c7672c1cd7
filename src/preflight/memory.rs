//! Memory of each stage on the CPU: the process, the stage's weights, and the values that are alive while it computes.
//!
//! The constants were fitted to the peaks of real runs; `benches/estimate` measures the error.

use super::device;
use super::facts::PreflightFacts;
use super::memory_plan::StageCost;
use super::size::{ComponentSize, ModelSize};
use super::streamed::Ends;
use super::vae::{decoder_chunk, decoder_chunk_in_bands, encoder_chunk};
use crate::core::{Bytes, GenRequest, Mode, Resolution, Stage};
use crate::engine::Prepack;
use crate::pipeline::RowPlan;
use crate::wan::graphs::{ROWS_AT_ONCE, StreamCall};
use crate::wan::tiles::Tiling;
use crate::wan::{VaeSplit, vae_cost};

const MIB: u64 = 1 << 20;
/// Bytes of an fp32 value.
const F32: u64 = 4;
/// The process before the first session: program, ONNX Runtime, thread stacks.
const PROCESS: u64 = 36 * MIB;
/// What a session takes besides weights and values.
const SESSION: u64 = 20 * MIB;
/// Values of the residual stream's width that are alive for each token of a transformer block; attention needs most.
const BLOCK_WIDTHS: u64 = 9;
/// Values of the feed-forward's width that are alive for each row that is computed at once.
const BLOCK_FFN: u64 = 2;
/// Values of the stream's width that are alive for each token of a text encoder block.
const TEXT_WIDTHS: u64 = 6;
/// Values of the feed-forward's width that are alive for each token of a text encoder block.
const TEXT_FFN: u64 = 3;
/// Tokens of the longest prompt; the memory of its values is small compared with the weights.
const TEXT_TOKENS: u64 = 512;
/// How much of the VAE's memory is touched, in percent of what the formula counts as alive.
const LIVE_PERCENT: u64 = 120;
/// Gaps in the heap, in percent of the living memory: small values leave many, up to [`MAX_SMALL_GAPS`], large ones
/// fewer. Measured with the 5B model's decoder at 224x224: 1705 MiB touched where 1077 MiB are alive.
const SMALL_GAPS_PERCENT: u64 = 85;
const MAX_SMALL_GAPS: u64 = 300 * MIB;
const GAPS_PERCENT: u64 = 38;
/// Video encoder, decoder and what the stages before left, while the video is written and checked.
const WRITING: u64 = 48 * MIB;
/// Bytes for each pixel of a frame while the video is written and checked.
const WRITING_PER_PIXEL: u64 = 300;
/// Copies in fp32 of the largest int4 matrix when weights are read in place: memory is taken in powers of two.
const UNPACKED: u64 = 2;
/// Bytes of the row copies of an int8 product for each value of the feed-forward's width.
const INT8_ROWS: u64 = 1;

/// How the VAE takes frames: in tiles where all at once, or bands, do not fit into the free memory and tiles need less.
pub(super) fn vae_split(facts: &PreflightFacts<'_>) -> VaeSplit {
    let PreflightFacts { request, model, provider, .. } = facts;
    let split = vae_cost::split(&model.vae, request.size, request.vae_tile, *provider);
    match (split, *provider) {
        _ if model.exported.is_some() => split,
        (VaeSplit::Bands, _) => on_cpu(facts),
        (VaeSplit::Tiles(_), _) => split,
        (VaeSplit::Whole, provider) if provider.uses_host_memory() => split,
        (VaeSplit::Whole, _) => device::vae_split(facts),
    }
}

/// Bands, or the tiles of an image where bands do not fit.
fn on_cpu(facts: &PreflightFacts<'_>) -> VaeSplit {
    let PreflightFacts { request, model, .. } = facts;
    let needed = |split| {
        let cost = decode_stage(facts, split);
        cost.peak.0.saturating_sub(cost.droppable.0)
    };
    let bands = needed(VaeSplit::Bands);
    match (facts.free_memory, vae_cost::tile_size(&model.vae, request.size, request.vae_tile)) {
        (Some(free), Some(tile)) if bands > free.0 && needed(VaeSplit::Tiles(tile)) < bands => {
            VaeSplit::Tiles(tile)
        }
        _ => VaeSplit::Bands,
    }
}

/// The VAE tiles that frames are decoded and encoded in; one without tiles.
pub(super) fn tiling(facts: &PreflightFacts<'_>) -> Tiling {
    tiles(facts.request, facts.model, vae_split(facts))
}

/// The tiles of `split`.
pub(super) fn tiles(request: &GenRequest, model: &ModelSize, split: VaeSplit) -> Tiling {
    let tile = split.tile();
    let cell = model.vae.scale_factor_spatial.max(1);
    let cells = [request.size.height / cell, request.size.width / cell].map(|side| side as usize);
    Tiling::new(cells, tile.map(|pixels| (pixels / cell) as usize))
}

/// Memory of every stage of a run, if the weights of its component are loaded so where they can be.
pub(super) fn costs(facts: &PreflightFacts<'_>, prepack: Prepack) -> Vec<StageCost> {
    let PreflightFacts { request, model, .. } = facts;
    let in_place = prepack == Prepack::InPlace;
    let is_streamed = prepack == Prepack::Streamed;
    let without_weights = Load { component: ComponentSize::default(), in_place: true };
    let mut stages = vec![stage(Stage::Prepare, without_weights, 0)];
    if let Some(components) = &model.exported {
        stages.extend(exported(facts, components));
        return stages;
    }
    let text =
        TEXT_TOKENS * F32 * (TEXT_WIDTHS * model.text.d_model as u64 + TEXT_FFN * model.text.d_ff as u64);
    let encoder = model.text_encoder;
    stages.push(if is_streamed {
        streamed_stage(Stage::Text, encoder, Ends::of_text_encoder(&model.text), text)
    } else {
        stage(Stage::Text, Load { component: encoder, in_place }, text)
    });
    if request.starts_from_image() {
        // convolutions are never packed
        let load = Load { component: model.vae_encoder, in_place: true };
        let one_frame = request.mode != Mode::I2V || request.frames.0 == 1;
        let cell = model.vae.scale_factor_spatial as usize;
        let tiles = tiling(facts);
        let [height, width] = tiles.tile().map(|cells| (cells * cell) as u32);
        let chunk = encoder_chunk(&model.vae, Resolution::new(width, height), one_frame);
        let pixels = request.size.area() * 3 * F32 * 4;
        // in tiles, the graphs of the first frame and of the others are loaded together
        let both = !one_frame && vae_split(facts) != VaeSplit::Bands;
        let ComponentSize { loaded, mapped, .. } = model.vae_encoder;
        let second = if both { loaded.0.saturating_sub(mapped.0) } else { 0 };
        stages.push(stage(Stage::Image, load, touched(chunk.live) + pixels + second));
    }
    let names = [Stage::DenoiseHigh, Stage::DenoiseLow];
    for (((name, component), loras), steps) in
        names.into_iter().zip(experts(model)).zip(facts.loras).zip(facts.steps)
    {
        if steps == 0 {
            continue;
        }
        let values = denoise(facts) + loras.0;
        stages.push(if is_streamed {
            streamed_stage(name, component, Ends::of_transformer(&model.transformer), values)
        } else {
            let load = Load { component, in_place };
            // both matrices of a feed-forward exist twice while they are packed
            let packing = if load.in_place { 0 } else { 2 * component.largest.0 };
            let cost = stage(name, load, values.max(packing + loras.0));
            let made = Bytes(cost.made.0 + packing / 2 + loras.0);
            StageCost { weights: Bytes(cost.weights.0 + loras.0), made, ..cost }
        });
    }
    stages.push(decode_stage(facts, vae_split(facts)));
    let writing = WRITING + request.size.area() * WRITING_PER_PIXEL;
    stages.push(stage(Stage::PostProcess, without_weights, writing));
    stages
}

/// The high-noise and the low-noise expert; a single transformer stands for both.
pub(super) fn experts(model: &ModelSize) -> [ComponentSize; 2] {
    let high = model.transformers.first().copied().unwrap_or_default();
    [high, model.transformers.get(1).copied().unwrap_or(high)]
}

/// A component and how its weights are loaded.
#[derive(Clone, Copy)]
struct Load {
    component: ComponentSize,
    /// Read from the files in place instead of packed into a copy.
    in_place: bool,
}

/// Memory of a stage whose values take `values` bytes. While weights are packed or converted to fp32, the largest tensor
/// exists twice for a moment.
fn stage(stage: Stage, Load { component, in_place }: Load, values: u64) -> StageCost {
    let mapped = if in_place { component.mapped.0 } else { 0 };
    let converted = component.mapped < component.loaded;
    let twice = match (in_place, converted) {
        (true, false) => 0,
        (true, true) => component.largest.0 / 2,
        (false, _) => component.largest.0,
    };
    let session = if component.loaded.0 > 0 { SESSION } else { 0 };
    let unpacked = if in_place { UNPACKED * component.unpacked.0 } else { 0 };
    let peak = PROCESS + session + component.loaded.0 + unpacked + values.max(twice);
    // values of the VAE go back to the system; those of other components stay with the session
    let left = if matches!(stage, Stage::Image | Stage::Decode) { 0 } else { values };
    let held = session + component.loaded.0.saturating_sub(mapped);
    StageCost {
        stage,
        weights: component.loaded,
        peak: Bytes(peak),
        droppable: Bytes(mapped),
        kept: Bytes(held + unpacked + left),
        made: Bytes(held + twice),
        rows: RowPlan::default(),
    }
}

/// Memory of a stage whose weights are streamed, with the sessions of the parts before, in and behind the blocks.
fn streamed_stage(stage: Stage, component: ComponentSize, ends: Ends, values: u64) -> StageCost {
    let kept = 3 * SESSION + ends.held_on_cpu(component) + UNPACKED * component.unpacked.0 + values;
    StageCost {
        stage,
        weights: component.loaded,
        peak: Bytes(PROCESS + kept),
        droppable: Bytes(0),
        kept: Bytes(kept),
        made: Bytes(kept),
        rows: RowPlan::default(),
    }
}

/// Bytes of the values that are alive in one pass of the transformer.
fn denoise(facts: &PreflightFacts<'_>) -> u64 {
    let PreflightFacts { request, model, .. } = facts;
    let config = &model.transformer;
    let latent = model.strides.latent(config.in_channels, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as u64;
    let (width, ffn) = (config.width() as u64, config.ffn_dim as u64);
    let rows = if model.quantisation.is_some() { INT8_ROWS * ffn } else { 0 };
    let latents = latent.dims().iter().product::<usize>() as u64 * F32 * 8;
    let at_once = tokens.min(ROWS_AT_ONCE as u64);
    tokens * BLOCK_WIDTHS * width * F32 + at_once * (BLOCK_FFN * ffn * F32 + rows) + latents
}

/// Bytes of pages that the VAE touches when `live` bytes of values are alive.
fn touched(live: u64) -> u64 {
    let small = (live * SMALL_GAPS_PERCENT / 100).min(MAX_SMALL_GAPS);
    live * LIVE_PERCENT / 100 + small.max(live * GAPS_PERCENT / 100)
}

/// Memory of the decode.
fn decode_stage(facts: &PreflightFacts<'_>, split: VaeSplit) -> StageCost {
    let PreflightFacts { request, model, .. } = facts;
    let load = Load { component: model.vae_decoder, in_place: true };
    let first = request.frames.0 == 1;
    let frames = if first { 1 } else { u64::from(model.strides.temporal) };
    let images = request.size.area() * 3 * frames * (F32 + 1);
    let tiles = tiles(request, model, split);
    let cells = tiles.tile().into_iter().product::<usize>() as u64;
    if split == VaeSplit::Bands {
        let call = if first { StreamCall::First } else { StreamCall::Later };
        let is_half = model.vae_decoder.mapped < model.vae_decoder.loaded;
        let chunk = decoder_chunk_in_bands(&model.vae, tiles.tile(), call, is_half);
        let mapped = if is_half { chunk.mapped } else { model.vae_decoder.mapped.0 };
        let computing = chunk.weights + chunk.caches + chunk.values + images;
        // the caches of the first call are there while the session of the later ones is made
        let making = chunk.making + if first { 0 } else { chunk.caches };
        let peak = PROCESS + SESSION + (mapped + computing).max(making);
        return StageCost {
            stage: Stage::Decode,
            weights: model.vae_decoder.loaded,
            peak: Bytes(peak),
            droppable: Bytes(mapped),
            kept: Bytes(SESSION + chunk.weights),
            made: Bytes(SESSION + chunk.weights),
            rows: RowPlan::default(),
        };
    }
    let chunk = decoder_chunk(&model.vae, cells, first);
    // tiles are put together in memory, all frames at once
    let canvas =
        if tiles.count() > 1 { request.size.area() * 3 * u64::from(request.frames.0) * F32 } else { 0 };
    stage(Stage::Decode, load, touched(chunk.live) + images + canvas)
}

/// Memory of an exported model's stages. Only the values of the transformers can be estimated.
fn exported(facts: &PreflightFacts<'_>, components: &[(Stage, ComponentSize)]) -> Vec<StageCost> {
    let runs = |at: Stage| at != Stage::Image || facts.request.starts_from_image();
    let values = |at: Stage| match at {
        Stage::DenoiseHigh | Stage::DenoiseLow => denoise(facts),
        _ => 0,
    };
    let components = components.iter().filter(|(at, _)| runs(*at));
    components.map(|&(at, component)| stage(at, Load { component, in_place: false }, values(at))).collect()
}
