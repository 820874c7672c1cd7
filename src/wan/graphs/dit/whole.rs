//! The transformer as one graph.

use super::block::{Rows, Shared, Stream, block};
use super::ends::{
    Conditioning, TABLES, head, latent_spec, patch_embedding, position_spec, split_input, table_spec,
    text_embedding, text_index_spec, time_embedding,
};
use super::form::TransformerForm;
use crate::core::Result;
use crate::onnx::{Adapter, Graph, GraphBuilder, GraphTarget, Weights};
use crate::wan::config::TransformerConfig;
use crate::wan::graphs::rotary::Rotary;

/// Number of rows of prompt embeddings that the transformer attends to. Short prompts are padded with zero rows, which are
/// not masked.
///
/// The graph takes the distinct rows and an index of 512, because all rows after a prompt's end are equal. Their keys and
/// values are computed once per pass, which takes less than 1 % of a step at official sizes; keeping them between steps
/// would cost hundreds of megabytes.
pub const TEXT_TOKENS: usize = 512;

/// The graph of one transformer:
/// `hidden_states [1,C,T,H,W], timestep [segments], encoder_hidden_states [R, text_dim], text_index [512] i64,
/// rope_cos/rope_sin [S, head/2], pos [1] i64 = 0 (, seg_split [1] i64) -> sample [1,O,T,H,W]`. Only the form for the CPU reads
/// `pos`. The token at `seg_split` is the first with the second timestep.
///
/// The 512 rows of the prompt embeddings are given as `R` distinct rows and an index: all rows after the prompt's end are
/// equal, and their keys and values, most of the cost of cross-attention's inputs, are computed once.
///
/// `timestep` is the scheduler's, from 0 to 1000; the tables are [`crate::wan::rope::tables`].
///
/// With 16-bit compute types, the residual stream with its norms and modulation, the gates, the timestep embedding and the
/// rotary embedding stay in fp32, as in Wan's own code; diffusers rounds the residual stream after each block.
/// Matrix products, attention and the norms of queries and keys are in 16 bits; for CUDA also the rotary embedding, and
/// the gates, which are multiplied into matrices there (`benches/gpu/rounding.py` computes what that costs).
///
/// # Errors
///
/// Fails if a tensor is missing in `weights` or has another shape than `config` says.
pub fn transformer(
    config: &TransformerConfig,
    weights: &Weights,
    form: impl Into<TransformerForm>,
    target: impl Into<GraphTarget>,
) -> Result<Graph> {
    adapted_transformer(config, weights, form, target, &[])
}

/// The graph of a transformer with LoRAs: each of `adapters` adds an input `[1]` for its strength, by its own name.
pub fn adapted_transformer(
    config: &TransformerConfig,
    weights: &Weights,
    form: impl Into<TransformerForm>,
    target: impl Into<GraphTarget>,
    adapters: &[Adapter],
) -> Result<Graph> {
    let form = form.into();
    let segments = form.segments;
    let mut g =
        GraphBuilder::new("transformer", weights).for_target(target.into()).with_adapters(adapters)?;
    let latent = g.input(latent_spec(config));
    let Conditioning { timestep, text } = Conditioning::declare(&mut g, config, segments);
    let text_index = g.input(text_index_spec());
    let tables = TABLES.map(|name| g.input(table_spec(name, config)));
    let position = g.input(position_spec());
    let split = split_input(&mut g, segments);

    let (x, grid) = patch_embedding(&mut g, &latent, config)?;
    let (embedding, timestep) = time_embedding(&mut g, &timestep, config, segments.count())?;
    let text = text_embedding(&mut g, &text, config)?;
    let rows = Rows::new(&mut g, config, form, split);
    let rotary = Rotary::new(&mut g, position, tables, config.attention_head_dim);
    let shared = Shared { rows, text, text_index, timestep, rotary };
    let mut x = Stream::from(x);
    for layer in 0..config.num_layers {
        x = block(&mut g, x, &shared, layer)?;
    }
    head(&mut g, x, &embedding, &grid, &shared.rows)?;
    Ok(g.finish())
}
