//! The transformer's configuration.

use super::shapes::{blocks, contradiction, dim};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::TransformerConfig;

/// Width of an attention head in every Wan model.
const HEAD: usize = 128;
/// `eps` in every Wan model.
const EPS: f32 = 1e-6;
/// Positions per axis of the rotary embedding (`rope_max_seq_len`).
const POSITIONS: u32 = 1024;

/// Derives the configuration and lists where the `config.json` `given` contradicts the weights.
///
/// Shapes take precedence; what they do not show (number of heads, epsilon) is taken from `given`.
pub fn transformer(
    weights: &Weights,
    given: Option<&TransformerConfig>,
) -> Result<(TransformerConfig, Vec<String>)> {
    let patch = "patch_embedding.weight";
    let width = dim(weights, patch, 0)?;
    let patch_size = [dim(weights, patch, 2)?, dim(weights, patch, 3)?, dim(weights, patch, 4)?];
    let heads = given.map_or(width / HEAD, |config| config.num_attention_heads);
    let fits = |heads: usize| heads > 0 && width.is_multiple_of(2 * heads);
    let heads = if given.is_none_or(|config| config.width() == width) {
        heads
    } else if width.is_multiple_of(HEAD) {
        width / HEAD
    } else {
        heads
    };
    if !fits(heads) || (given.is_none() && !width.is_multiple_of(HEAD)) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "The transformer in {} has width {width}, which is not a multiple of {HEAD}",
                weights.root().display()
            ),
        )
        .remedy("Put the transformer's config.json beside it"));
    }
    let found = TransformerConfig {
        num_attention_heads: heads,
        attention_head_dim: width / heads,
        in_channels: dim(weights, patch, 1)?,
        out_channels: Some(dim(weights, "proj_out.weight", 0)? / patch_size.iter().product::<usize>()),
        text_dim: dim(weights, "condition_embedder.text_embedder.linear_1.weight", 1)?,
        freq_dim: dim(weights, "condition_embedder.time_embedder.linear_1.weight", 1)?,
        ffn_dim: dim(weights, "blocks.0.ffn.net.0.proj.weight", 0)?,
        num_layers: blocks(weights, "blocks.")?,
        patch_size,
        cross_attn_norm: weights.contains("blocks.0.norm2.weight"),
        eps: given.map_or(EPS, |config| config.eps),
        rope_max_seq_len: given.map_or(POSITIONS, |config| config.rope_max_seq_len),
    };
    super::shapes::check(&found, weights)?;
    let wrong = given.map(|given| differences(given, &found)).unwrap_or_default();
    Ok((found, wrong))
}

fn differences(given: &TransformerConfig, found: &TransformerConfig) -> Vec<String> {
    let pairs = [
        ("width", given.width(), found.width()),
        ("in_channels", given.in_channels, found.in_channels),
        ("out_channels", given.channels_out(), found.channels_out()),
        ("text_dim", given.text_dim, found.text_dim),
        ("freq_dim", given.freq_dim, found.freq_dim),
        ("ffn_dim", given.ffn_dim, found.ffn_dim),
        ("num_layers", given.num_layers, found.num_layers),
    ];
    pairs.into_iter().filter_map(|(what, given, found)| contradiction(what, given, found)).collect()
}
