//! The VAE's configuration.

use super::shapes::{contradiction, count, dim};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::VaeConfig;
use crate::wan::latents;

/// Colour channels of an image.
const COLOURS: usize = 3;

/// Derives the configuration and lists where the `config.json` `given` contradicts the weights.
///
/// Means and deviations of the latents are not stored as tensors: they are taken from `given`, else they are the official
/// ones of the VAE with as many latent channels.
pub fn vae(weights: &Weights, given: Option<&VaeConfig>) -> Result<(VaeConfig, Vec<String>)> {
    let z_dim = dim(weights, "post_quant_conv.weight", 0)?;
    let (latents_mean, latents_std) = match given {
        Some(given) => (given.latents_mean.clone(), given.latents_std.clone()),
        None => latents::official(z_dim).ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!(
                    "The VAE in {} has {z_dim} latent channels; Wan 2.1's has 16 and Wan 2.2's has 48",
                    weights.root().display()
                ),
            )
            .remedy("Use wan_2.1_vae for the 14B models and wan2.2_vae for the 5B model")
        })?,
    };
    let base_dim = dim(weights, "encoder.conv_in.weight", 0)?;
    let in_channels = dim(weights, "encoder.conv_in.weight", 1)?;
    let is_residual = weights.contains("encoder.down_blocks.0.resnets.0.conv1.weight");
    let levels = if is_residual { nested_levels(weights)? } else { flat_levels(weights)? };
    let patch = (1..=in_channels)
        .find(|side| COLOURS * side * side >= in_channels)
        .filter(|side| COLOURS * side * side == in_channels)
        .unwrap_or(1);
    let first = levels.widths.first().map_or(1, |width| (width / base_dim).max(1));
    // checked below with the rest
    let shrinking = levels.widths.len().saturating_sub(1).min(16) as u32;
    let found = VaeConfig {
        base_dim,
        decoder_base_dim: Some(dim(weights, "decoder.conv_out.weight", 1)? / first),
        z_dim,
        dim_mult: levels.widths.iter().map(|width| width / base_dim).collect(),
        num_res_blocks: levels.blocks,
        scale_factor_temporal: 1 << levels.halves_time.iter().filter(|&&halves| halves).count().min(16),
        temperal_downsample: levels.halves_time,
        is_residual,
        patch_size: (patch > 1).then_some(patch),
        in_channels,
        out_channels: dim(weights, "decoder.conv_out.weight", 0)?,
        latents_mean,
        latents_std,
        scale_factor_spatial: (1_u32 << shrinking).saturating_mul(patch as u32),
    };
    super::shapes::check(&found, weights)?;
    let pairs = given.map(|given| {
        [
            ("base_dim", given.base_dim, found.base_dim),
            ("z_dim", given.z_dim, found.z_dim),
            ("num_res_blocks", given.num_res_blocks, found.num_res_blocks),
            ("in_channels", given.in_channels, found.in_channels),
            ("out_channels", given.out_channels, found.out_channels),
        ]
    });
    let wrong =
        pairs.into_iter().flatten().filter_map(|(what, given, found)| contradiction(what, given, found));
    Ok((found, wrong.collect()))
}

/// The levels of the encoder.
struct Levels {
    /// Residual blocks in each level.
    blocks: usize,
    /// Channels after each level.
    widths: Vec<usize>,
    /// Whether each downsampling level also halves the number of frames.
    halves_time: Vec<bool>,
}

/// VAE 2.2: blocks are numbered within their level.
fn nested_levels(weights: &Weights) -> Result<Levels> {
    let conv =
        |level: usize, block: usize| format!("encoder.down_blocks.{level}.resnets.{block}.conv2.weight");
    let levels = count(weights, |level| conv(level, 0));
    let down = |level: usize, layer: &str| format!("encoder.down_blocks.{level}.downsampler.{layer}.weight");
    let shrinking = count(weights, |level| down(level, "resample.1"));
    Ok(Levels {
        blocks: count(weights, |block| conv(0, block)),
        widths: (0..levels).map(|level| dim(weights, &conv(level, 0), 0)).collect::<Result<_>>()?,
        halves_time: (0..shrinking).map(|level| weights.contains(&down(level, "time_conv"))).collect(),
    })
}

/// VAE 2.1: blocks and downsamplers are numbered consecutively.
fn flat_levels(weights: &Weights) -> Result<Levels> {
    let layer = |index: usize, layer: &str| format!("encoder.down_blocks.{index}.{layer}.weight");
    let mut levels = Levels { blocks: 0, widths: Vec::new(), halves_time: Vec::new() };
    let mut width = None;
    for index in 0.. {
        if weights.contains(&layer(index, "conv2")) {
            width = Some(dim(weights, &layer(index, "conv2"), 0)?);
            levels.blocks += usize::from(levels.widths.is_empty());
        } else if weights.contains(&layer(index, "resample.1")) {
            levels.widths.extend(width.take());
            levels.halves_time.push(weights.contains(&layer(index, "time_conv")));
        } else {
            break;
        }
    }
    levels.widths.extend(width);
    if levels.widths.is_empty() {
        // the error names the missing tensor
        weights.get(&layer(0, "conv2"))?;
    }
    Ok(levels)
}
