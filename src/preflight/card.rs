//! Memory of each stage on a graphics card, by formula alone: nothing was measured on one yet, and the margin is for that.
//!
//! Graphs for a card are not cut into parts, and hold their weights in the type that they compute in.

use super::facts::{Facts, StageMemory};
use super::size::NetSize;
use super::vae::{decoded, encoded};
use super::{fixes, memory};
use crate::core::{Bytes, Finding, Fix, Mode, ProviderChoice, Resolution, Severity, Stage, Subject};

/// Bytes of an fp32 value, in which sizes of weights and of the VAE's values are counted.
const F32: u64 = 4;
/// What CUDA, its libraries and the arena take before the first value.
const CONTEXT: u64 = 700 << 20;
/// For each token of a block: fp32 values of the stream, and values of the computing type of the stream's and of the
/// feed-forward's width.
const STREAM: u64 = 3;
const BLOCK_WIDTHS: u64 = 6;
const BLOCK_FFN: u64 = 2;
/// Largest number of tokens of a prompt.
const TEXT_TOKENS: u64 = 512;
/// What is added to the sum, in percent.
const MARGIN_PERCENT: u64 = 20;

/// A card and what computes on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// All its memory.
    pub total: Bytes,
    /// What is not allocated now, if the driver tells.
    pub free: Option<Bytes>,
    /// Bytes of a value in the text encoder, in the transformers and in the VAE.
    pub value_bytes: [u64; 3],
}

/// Memory of every stage that computes on the card, with its margin.
pub(super) fn stages(facts: &Facts<'_>, card: Card) -> Vec<StageMemory> {
    let Facts { request, model, .. } = facts;
    let [text_bytes, dit_bytes, vae_bytes] = card.value_bytes;
    let weights = |net: NetSize, bytes: u64| net.loaded.0 / F32 * bytes;
    let stage = |stage, bytes: u64| {
        let peak = (CONTEXT + bytes) / 100 * (100 + MARGIN_PERCENT);
        StageMemory { stage, peak: Bytes(peak), droppable: Bytes(0) }
    };
    let text = TEXT_TOKENS * F32 * (6 * model.text.d_model as u64 + 3 * model.text.d_ff as u64);
    let mut stages = vec![stage(Stage::Text, weights(model.text_encoder, text_bytes) + text)];
    let tiles = memory::tiling(request, model);
    let more_tiles = tiles.count() as u64 - 1;
    if request.starts_from_image() {
        let cell = model.vae.scale_factor_spatial as usize;
        let [height, width] = tiles.tile().map(|cells| (cells * cell) as u32);
        let one = request.mode != Mode::I2V || request.frames.0 == 1;
        let chunk = encoded(&model.vae, Resolution::new(width, height), one);
        let values = (chunk.live + chunk.caches * more_tiles) / F32 * vae_bytes;
        stages.push(stage(Stage::Image, weights(model.vae_encoder, vae_bytes) + values));
    }
    let latent = model.strides.latent(model.transformer.in_channels, request.size, request.frames);
    let tokens = latent.tokens(model.strides.patch as usize) as u64;
    let (width, ffn) = (model.transformer.width() as u64, model.transformer.ffn_dim as u64);
    let block = tokens * (STREAM * width * F32 + (BLOCK_WIDTHS * width + BLOCK_FFN * ffn) * dit_bytes);
    let names = [Stage::DenoiseHigh, Stage::DenoiseLow];
    for (((name, net), loras), steps) in
        names.into_iter().zip(memory::experts(model)).zip(facts.loras).zip(facts.steps)
    {
        if steps > 0 {
            // a LoRA's file was counted as fp32
            let loras = loras.0 / F32 * dit_bytes;
            stages.push(stage(name, weights(net, dit_bytes) + loras + block));
        }
    }
    let first = request.frames.0 == 1;
    let chunk = decoded(&model.vae, tiles.tile().into_iter().product::<usize>() as u64, first);
    let values = (chunk.live + chunk.caches * more_tiles) / F32 * vae_bytes;
    stages.push(stage(Stage::Decode, weights(model.vae_decoder, vae_bytes) + values));
    stages
}

/// What is in the way on the card.
pub(super) fn finding(facts: &Facts<'_>, card: Card) -> Option<Finding> {
    let peak =
        |facts: &Facts<'_>| stages(facts, card).iter().map(|stage| stage.peak).max().unwrap_or_default();
    let needed = peak(facts);
    let room = card.free.unwrap_or(card.total).min(card.total);
    if needed <= room {
        return None;
    }
    let (severity, has) = if needed > card.total {
        (Severity::Blocker, format!("it has {}", card.total))
    } else {
        (Severity::Warning, format!("{room} of its {} are free", card.total))
    };
    let tiles = [512, 256, 128].map(Fix::VaeTile);
    let helps = |change: &Fix| fixes::with(facts, change, peak) < needed;
    let enough = |change: &Fix| fixes::with(facts, change, peak) <= room;
    let best = |changes: Vec<Fix>| {
        changes
            .iter()
            .find(|change| enough(change))
            .or_else(|| changes.iter().rfind(|change| helps(change)))
            .cloned()
    };
    let changes = [best(tiles.into()), Some(Fix::Provider(ProviderChoice::Cpu))]
        .into_iter()
        .chain([best(fixes::fewer_frames(facts)), best(fixes::smaller(facts))])
        .flatten()
        .collect();
    Some(Finding {
        severity,
        subject: Subject::Memory,
        message: format!(
            "The run needs about {needed} of the card's memory by formula, with {MARGIN_PERCENT} % to spare, and {has}"
        ),
        fixes: changes,
    })
}
