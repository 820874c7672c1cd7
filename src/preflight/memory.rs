//! Memory of each stage on the CPU: the process, the stage's weights, and what is alive while they compute.
//!
//! The constants were fitted to the peaks of real runs; `benches/estimate` measures how far off they are.

use super::facts::{Facts, StageMemory};
use super::size::{ModelSize, NetSize};
use super::vae::{decoded, encoded};
use crate::core::{Bytes, GenRequest, Mode, Resolution, Stage};
use crate::engine::Prepack;
use crate::wan::graphs::ROWS_AT_ONCE;
use crate::wan::tiles::Tiling;
use crate::wan::vae_cost;

const MIB: u64 = 1 << 20;
/// Bytes of a value.
const F32: u64 = 4;
/// The process before the first session: program, runtime, thread stacks.
const PROCESS: u64 = 36 * MIB;
/// A session's own, beside weights and values.
const SESSION: u64 = 20 * MIB;
/// Values of the residual stream's width that are alive for each token in a block: attention needs most.
const BLOCK_WIDTHS: u64 = 9;
/// Values of the feed-forward's width for each of the tokens that it takes at once.
const BLOCK_FFN: u64 = 2;
/// The same in a block of the text encoder.
const TEXT_WIDTHS: u64 = 6;
const TEXT_FFN: u64 = 3;
/// Largest number of tokens of a prompt; most are far shorter, and its memory is small beside the weights.
const TEXT_TOKENS: u64 = 512;
/// How much more of the VAE's memory is touched than is alive by the formula, in percent.
const LIVE_PERCENT: u64 = 120;
/// Small values leave gaps in the heap, up to so much; large ones, of which little values are a small part, go back to
/// the system at once. Between the two amounts of living memory the gaps fade.
const GAPS_PERCENT: u64 = 85;
const MOST_GAPS: u64 = 300 * MIB;
const GAPS_FADE: std::ops::Range<u64> = 600 * MIB..1050 * MIB;
/// Encoders, decoders and what is left of the stages before, while the video is written and checked; and bytes for each
/// pixel of a frame.
const WRITING: u64 = 48 * MIB;
const WRITE: u64 = 300;
/// How often the largest 4-bit matrix is there in fp32 when it is read in place: memory is taken in powers of two.
const UNPACKED: u64 = 2;
/// An integer product's row copies, in bytes for each value of the feed-forward's width.
const INT8_ROWS: u64 = 1;

/// The tiles that a picture is decoded and encoded in.
pub(super) fn tiling(request: &GenRequest, model: &ModelSize) -> Tiling {
    let edge = vae_cost::tile_edge(&model.vae, request.size, request.vae_tile);
    let cell = model.vae.scale_factor_spatial.max(1);
    let cells = [request.size.height / cell, request.size.width / cell].map(|side| side as usize);
    Tiling::new(cells, edge.map(|edge| (edge / cell) as usize))
}

/// Memory of every stage of a run.
pub(super) fn stages(facts: &Facts<'_>) -> Vec<StageMemory> {
    let Facts { request, model, .. } = facts;
    let mut stages = vec![stage(Stage::Prepare, (NetSize::default(), true), 0)];
    if let Some(networks) = &model.exported {
        stages.extend(exported(facts, networks));
        return stages;
    }
    let text =
        TEXT_TOKENS * F32 * (TEXT_WIDTHS * model.text.d_model as u64 + TEXT_FFN * model.text.d_ff as u64);
    stages.push(stage(Stage::Text, (model.text_encoder, in_place(facts, model.text_encoder)), text));
    if request.starts_from_image() {
        let net = model.vae_encoder;
        let one = request.mode != Mode::I2V || request.frames.0 == 1;
        let cell = model.vae.scale_factor_spatial as usize;
        let tiles = tiling(request, model);
        let [height, width] = tiles.tile().map(|cells| (cells * cell) as u32);
        let chunk = encoded(&model.vae, Resolution::new(width, height), one);
        let live = touched(chunk.live) + chunk.caches * (tiles.count() as u64 - 1);
        // convolutions are never packed
        stages.push(stage(Stage::Image, (net, true), live + request.size.area() * 3 * F32 * 4));
    }
    let names = [Stage::DenoiseHigh, Stage::DenoiseLow];
    for (((name, net), loras), steps) in
        names.into_iter().zip(experts(model)).zip(facts.loras).zip(facts.steps)
    {
        if steps > 0 {
            let in_place = in_place(facts, net);
            // both matrices of a feed-forward are there twice for a moment while they are packed
            let packing = if in_place { 0 } else { 2 * net.largest.0 };
            stages.push(stage(name, (net, in_place), denoise(facts).max(packing) + loras.0));
        }
    }
    stages.push(stage(Stage::Decode, (model.vae_decoder, true), decode(facts)));
    stages.push(stage(Stage::PostProcess, (NetSize::default(), true), WRITING + request.size.area() * WRITE));
    stages
}

/// The experts in the order of their stages; one transformer takes both.
pub(super) fn experts(model: &ModelSize) -> [NetSize; 2] {
    let high = model.transformers.first().copied().unwrap_or_default();
    [high, model.transformers.get(1).copied().unwrap_or(high)]
}

fn in_place(facts: &Facts<'_>, net: NetSize) -> bool {
    let weights = (net.loaded, facts.model.integers);
    Prepack::choose(facts.request.weights, weights, facts.free_memory) == Prepack::InPlace
}

/// A packed network is copied, and its largest tensor is there twice for a moment; so is one that is made wider.
fn stage(stage: Stage, (net, in_place): (NetSize, bool), values: u64) -> StageMemory {
    let mapped = if in_place { net.mapped.0 } else { 0 };
    let widened = net.mapped < net.loaded;
    let twice = match (in_place, widened) {
        (true, false) => 0,
        (true, true) => net.largest.0 / 2,
        (false, _) => net.largest.0,
    };
    let session = if net.loaded.0 > 0 { SESSION } else { 0 };
    let beside = if in_place { UNPACKED * net.unpacked.0 } else { 0 };
    let peak = PROCESS + session + net.loaded.0 + beside + values.max(twice);
    StageMemory { stage, peak: Bytes(peak), droppable: Bytes(mapped) }
}

/// Values of one pass of the transformer.
fn denoise(facts: &Facts<'_>) -> u64 {
    let Facts { request, model, .. } = facts;
    let config = &model.transformer;
    let latent = model.strides.latent(config.in_channels, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as u64;
    let (width, ffn) = (config.width() as u64, config.ffn_dim as u64);
    let rows = if model.integers.is_some() { INT8_ROWS * ffn } else { 0 };
    let latents = latent.dims().iter().product::<usize>() as u64 * F32 * 8;
    let at_once = tokens.min(ROWS_AT_ONCE as u64);
    tokens * BLOCK_WIDTHS * width * F32 + at_once * (BLOCK_FFN * ffn * F32 + rows) + latents
}

/// What the VAE's living memory takes in pages.
fn touched(live: u64) -> u64 {
    let left = GAPS_FADE.end.saturating_sub(live).min(GAPS_FADE.end - GAPS_FADE.start);
    let most = MOST_GAPS * (left / MIB) / ((GAPS_FADE.end - GAPS_FADE.start) / MIB);
    live * LIVE_PERCENT / 100 + (live * GAPS_PERCENT / 100).min(most)
}

/// Values and caches of the decoder.
fn decode(facts: &Facts<'_>) -> u64 {
    let Facts { request, model, .. } = facts;
    let tiles = tiling(request, model);
    let first = request.frames.0 == 1;
    let chunk = decoded(&model.vae, tiles.tile().into_iter().product::<usize>() as u64, first);
    let count = tiles.count() as u64;
    let frames = if first { 1 } else { u64::from(model.strides.temporal) };
    let pictures = request.size.area() * 3 * frames * (F32 + 1) * if count > 1 { 2 } else { 1 };
    touched(chunk.live) + chunk.caches * (count - 1) + pictures
}

/// What is alive while the files of an exported model compute is known of the transformers alone.
fn exported(facts: &Facts<'_>, networks: &[(Stage, NetSize)]) -> Vec<StageMemory> {
    let runs = |at: Stage| at != Stage::Image || facts.request.starts_from_image();
    let values = |at: Stage| match at {
        Stage::DenoiseHigh | Stage::DenoiseLow => denoise(facts),
        _ => 0,
    };
    let networks = networks.iter().filter(|(at, _)| runs(*at));
    networks.map(|(at, net)| stage(*at, (*net, false), values(*at))).collect()
}
