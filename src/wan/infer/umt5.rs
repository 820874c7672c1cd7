//! The text encoder's configuration.

use super::shapes::{blocks, contradiction, dim};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::TextEncoderConfig;

/// `layer_norm_epsilon` of UMT5.
const EPS: f32 = 1e-6;
/// `relative_attention_max_distance` of UMT5.
const DISTANCE: usize = 128;

/// Derives the configuration and lists where the `config.json` `given` contradicts the weights.
pub fn text_encoder(
    weights: &Weights,
    given: Option<&TextEncoderConfig>,
) -> Result<(TextEncoderConfig, Vec<String>)> {
    let attention = "encoder.block.0.layer.0.SelfAttention";
    let bias = format!("{attention}.relative_attention_bias.weight");
    let num_heads = dim(weights, &bias, 1)?;
    let inner = dim(weights, &format!("{attention}.q.weight"), 0)?;
    if !inner.is_multiple_of(num_heads) {
        return Err(Error::new(
            Kind::CorruptModel,
            format!(
                "The attention of the text encoder in {} has width {inner}, which is not a multiple of its {num_heads} heads",
                weights.root().display()
            ),
        )
        .remedy("Download the file again"));
    }
    let found = TextEncoderConfig {
        vocab_size: dim(weights, "shared.weight", 0)?,
        d_model: dim(weights, "shared.weight", 1)?,
        d_kv: inner / num_heads,
        d_ff: dim(weights, "encoder.block.0.layer.1.DenseReluDense.wi_0.weight", 0)?,
        num_layers: blocks(weights, "encoder.block.")?,
        num_heads,
        relative_attention_num_buckets: dim(weights, &bias, 0)?,
        relative_attention_max_distance: given
            .map_or(DISTANCE, |config| config.relative_attention_max_distance),
        layer_norm_epsilon: given.map_or(EPS, |config| config.layer_norm_epsilon),
    };
    super::shapes::check(&found, weights)?;
    let pairs = given.map(|given| {
        [
            ("vocab_size", given.vocab_size, found.vocab_size),
            ("d_model", given.d_model, found.d_model),
            ("d_ff", given.d_ff, found.d_ff),
            ("num_heads", given.num_heads, found.num_heads),
            ("num_layers", given.num_layers, found.num_layers),
        ]
    });
    let wrong =
        pairs.into_iter().flatten().filter_map(|(what, given, found)| contradiction(what, given, found));
    Ok((found, wrong.collect()))
}
