//! How large the inputs of each graph become for one video, for providers that compile a graph for its sizes.

use super::dit::TEXT_TOKENS;
use super::vae_layers::{CallNumber, level_names};
use crate::onnx::{SizeRange, SizeRanges};
use crate::wan::config::{TransformerConfig, VaeConfig};

/// Tokens of a usual prompt.
const USUAL_PROMPT: usize = 64;

/// Those of the text encoder, for any prompt.
pub fn text_encoder_sizes() -> SizeRanges {
    SizeRanges::default().dim("tokens", SizeRange { min: 1, usual: USUAL_PROMPT, max: TEXT_TOKENS })
}

/// Those of a transformer for a latent of `[frames, height, width]`.
pub fn transformer_sizes(config: &TransformerConfig, [frames, height, width]: [usize; 3]) -> SizeRanges {
    let [patch_frames, patch_height, patch_width] = config.patch_size;
    let frame_tokens = height / patch_height * (width / patch_width);
    SizeRanges::default()
        .dim("frames", frames)
        .dim("height", height)
        .dim("width", width)
        .dim("tokens", frames / patch_frames * frame_tokens)
        .dim("text_rows", SizeRange { min: 1, usual: USUAL_PROMPT, max: TEXT_TOKENS })
        .number("seg_split", frame_tokens)
}

/// Those of the VAE decoder for latents of `cells`, rows and columns.
pub fn vae_decoder_sizes(config: &VaeConfig, numbers: &[CallNumber], cells: [usize; 2]) -> SizeRanges {
    let deepest = num_levels(config);
    let sizes = (0..=deepest)
        .fold(SizeRanges::default(), |sizes, level| at_level(sizes, level, cells.map(|side| side << level)));
    numbers.iter().fold(sizes, |sizes, number| {
        let [first, later] = [number.first, number.later].map(|number| number.max(0) as usize);
        let range = SizeRange { min: first.min(later), usual: later, max: first.max(later) };
        sizes.number(number.name.clone(), range)
    })
}

/// Those of the VAE encoder for images whose latents have `cells`, rows and columns.
pub fn vae_encoder_sizes(config: &VaeConfig, cells: [usize; 2]) -> SizeRanges {
    let deepest = num_levels(config);
    let sizes = (0..=deepest).fold(SizeRanges::default(), |sizes, level| {
        at_level(sizes, level, cells.map(|side| side << (deepest - level)))
    });
    let [height, width] = cells.map(|side| (side << deepest) * config.patch_size.unwrap_or(1));
    sizes.dim("height", height).dim("width", width)
}

/// Number of times that the VAE halves and doubles height and width, without its patches.
fn num_levels(config: &VaeConfig) -> u32 {
    config.temperal_downsample.len() as u32
}

fn at_level(sizes: SizeRanges, level: u32, cells: [usize; 2]) -> SizeRanges {
    level_names(level).into_iter().zip(cells).fold(sizes, |sizes, (name, side)| sizes.dim(name, side))
}
