//! The UMT5 text encoder: token ids to prompt embeddings.
//!
//! It runs on the prompt's own tokens without padding and mask, which gives the same rows as padding and masking. Unlike
//! in T5, every block has its own relative position bias; scores are not divided by the square root of the head width.

use super::super::config::TextEncoderConfig;
use super::layers::{gelu, linear_no_bias, reshape, rms_norm, transpose, unsqueeze};
use crate::core::Result;
use crate::onnx::{
    Attr, Dtype, Graph, GraphBuilder, GraphChain, GraphTarget, Operators, StreamedBlock, ValueSpec, Var,
    Weights,
};

/// Names of the embedding table; files have one of them, or both with the same values.
const TABLES: [&str; 2] = ["shared.weight", "encoder.embed_tokens.weight"];

/// The relative positions of the tokens, as they are given, and as the blocks of a streamed encoder take them.
const GIVEN_BUCKETS: &str = "rel_bucket";
const BUCKETS: &str = "buckets";

/// Whether the tensor `name` is the embedding table, from which only the rows of a prompt are read.
pub fn is_embedding_table(name: &str) -> bool {
    TABLES.contains(&name)
}

/// The graph `input_ids [L] i64, rel_bucket [L, L] i64 -> hidden [L, d_model] f32`.
///
/// `rel_bucket` is [`crate::wan::text::relative_buckets`].
///
/// With 16-bit compute types, the residual stream, the norms and the attention stay in fp32: values grow from layer to
/// layer, scores are not scaled down, and with at most 512 tokens attention is cheap.
pub fn text_encoder(
    config: &TextEncoderConfig,
    weights: &Weights,
    target: impl Into<GraphTarget>,
) -> Result<Graph> {
    let mut g = GraphBuilder::new("text_encoder", weights).for_target(target.into());
    let ids = g.input(ids_spec());
    let buckets = g.input(buckets_spec(GIVEN_BUCKETS));
    let mut x = embedding(&mut g, &ids, config)?;
    for layer in 0..config.num_layers {
        x = block(&mut g, &x, &buckets, config, layer)?;
    }
    let hidden = final_norm(&mut g, &x, config)?;
    g.output(&hidden, rows_spec("hidden", config));
    Ok(g.finish())
}

/// The text encoder with its blocks as graphs of their own, whose weights are inputs. Takes the same inputs as
/// [`text_encoder`] and returns the same rows.
pub fn streamed_text_encoder(
    config: &TextEncoderConfig,
    weights: &Weights,
    target: impl Into<GraphTarget>,
) -> Result<GraphChain> {
    let target = target.into();
    let builder = |name| GraphBuilder::new(name, weights).for_target(target);
    let mut g = builder("text encoder's first part");
    let ids = g.input(ids_spec());
    let buckets = g.input(buckets_spec(GIVEN_BUCKETS));
    let x = embedding(&mut g, &ids, config)?;
    // they go to the device once for all blocks
    let buckets = reshape(&mut g, &buckets, &[0, -1]);
    g.output(&x, rows_spec(GraphChain::CHAINED, config));
    g.output(&buckets, buckets_spec(BUCKETS));
    let first = g.finish();

    let streamed_block = |layer| -> Result<StreamedBlock> {
        let mut g = builder("text encoder block");
        let x = g.input(rows_spec(GraphChain::CHAINED, config));
        let buckets = g.input(buckets_spec(BUCKETS));
        let x = block(&mut g, &x, &buckets, config, layer)?;
        g.output(&x, rows_spec("next_hidden", config));
        Ok(g.finish().with_streamed_weights(&format!("encoder.block.{layer}."), "block."))
    };
    let blocks = (0..config.num_layers).map(streamed_block).collect::<Result<_>>()?;

    let mut g = builder("text encoder's last part");
    let x = g.input(rows_spec(GraphChain::CHAINED, config));
    let rows = final_norm(&mut g, &x, config)?;
    g.output(&rows, rows_spec("embeddings", config));
    Ok(GraphChain { first, blocks, last: g.finish() })
}

fn ids_spec() -> ValueSpec {
    ValueSpec::new("input_ids", Dtype::I64, ["tokens".into()])
}

fn buckets_spec(name: &str) -> ValueSpec {
    ValueSpec::new(name, Dtype::I64, ["tokens".into(), "tokens".into()])
}

fn rows_spec(name: &str, config: &TextEncoderConfig) -> ValueSpec {
    ValueSpec::new(name, Dtype::F32, ["tokens".into(), config.d_model.into()])
}

/// The embedding of each token in fp32.
fn embedding(g: &mut GraphBuilder<'_>, ids: &Var, config: &TextEncoderConfig) -> Result<Var> {
    let table = TABLES.into_iter().find(|name| g.weights().contains(name)).unwrap_or(TABLES[0]);
    // rows are gathered from the stored table first, so that only they are cast
    let table = g.raw_weight(table, &[config.vocab_size, config.d_model])?;
    let rows = g.op("Gather", &[&table, ids], &[("axis", Attr::Int(0))]);
    Ok(g.cast_f32(&rows))
}

fn final_norm(g: &mut GraphBuilder<'_>, x: &Var, config: &TextEncoderConfig) -> Result<Var> {
    let (width, eps) = (config.d_model, config.layer_norm_epsilon);
    g.in_fp32(|g| rms_norm(g, x, "encoder.final_layer_norm", width, eps))
}

fn block(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    buckets: &Var,
    config: &TextEncoderConfig,
    layer: usize,
) -> Result<Var> {
    let (width, inner, eps) = (config.d_model, config.num_heads * config.d_kv, config.layer_norm_epsilon);
    let base = format!("encoder.block.{layer}.layer");

    let h = narrow_norm(g, x, &format!("{base}.0.layer_norm"), width, eps)?;
    let attention = format!("{base}.0.SelfAttention");
    let project = |g: &mut GraphBuilder<'_>, name: &str| -> Result<Var> {
        let y = linear_no_bias(g, &h, &format!("{attention}.{name}"), [width, inner])?;
        let y = g.widen(&y);
        Ok(unsqueeze(g, &y, 0))
    };
    let (q, k, v) = (project(g, "q")?, project(g, "k")?, project(g, "v")?);
    let table = g.in_fp32(|g| {
        let name = format!("{attention}.relative_attention_bias.weight");
        g.weight(&name, &[config.relative_attention_num_buckets, config.num_heads])
    })?;
    let bias = g.op("Gather", &[&table, buckets], &[("axis", Attr::Int(0))]);
    let bias = transpose(g, &bias, &[2, 0, 1]);
    let bias = unsqueeze(g, &bias, 0);
    let y = match g.operators() {
        Operators::OnnxRuntime => {
            let attrs = [("num_heads", Attr::Int(config.num_heads as i64)), ("scale", Attr::Float(1.0))];
            g.contrib("MultiHeadAttention", &[&q, &k, &v, &Var::none(), &Var::none(), &bias], &attrs)
        }
        Operators::Plain => biased_attention(g, [&q, &k, &v], &bias, config.num_heads),
    };
    let y = reshape(g, &y, &[-1, inner as i64]);
    let y = g.narrow(&y);
    let y = linear_no_bias(g, &y, &format!("{attention}.o"), [inner, width])?;
    let y = g.widen(&y);
    let x = g.op("Add", &[x, &y], &[]);

    let h = narrow_norm(g, &x, &format!("{base}.1.layer_norm"), width, eps)?;
    let dense = format!("{base}.1.DenseReluDense");
    let gate = linear_no_bias(g, &h, &format!("{dense}.wi_0"), [width, config.d_ff])?;
    let gate = gelu(g, &gate);
    let up = linear_no_bias(g, &h, &format!("{dense}.wi_1"), [width, config.d_ff])?;
    let y = g.op("Mul", &[&gate, &up], &[]);
    let y = linear_no_bias(g, &y, &format!("{dense}.wo"), [config.d_ff, width])?;
    let y = g.widen(&y);
    Ok(g.op("Add", &[&x, &y], &[]))
}

/// Attention with a bias of the scores, `[1, heads, S, S]`, in operations of its own: `TensorRT` for RTX 1.7 undoes the casts
/// of queries and keys to fp32 before its own attention, and then refuses a bias in fp32.
///
/// The scores of 512 tokens and 64 heads take 64 MiB.
fn biased_attention(g: &mut GraphBuilder<'_>, [q, k, v]: [&Var; 3], bias: &Var, heads: usize) -> Var {
    let mut by_heads = |x: &Var, perm: &[i64]| {
        let x = reshape(g, x, &[1, 0, heads as i64, -1]);
        transpose(g, &x, perm)
    };
    let (q, k, v) = (by_heads(q, &[0, 2, 1, 3]), by_heads(k, &[0, 2, 3, 1]), by_heads(v, &[0, 2, 1, 3]));
    let scores = g.op("MatMul", &[&q, &k], &[]);
    let scores = g.op("Add", &[&scores, bias], &[]);
    let weights = g.op("Softmax", &[&scores], &[("axis", Attr::Int(-1))]);
    let y = g.op("MatMul", &[&weights, &v], &[]);
    transpose(g, &y, &[0, 2, 1, 3])
}

/// The RMS norm of fp32 rows, converted to the compute type.
fn narrow_norm(g: &mut GraphBuilder<'_>, x: &Var, name: &str, width: usize, eps: f32) -> Result<Var> {
    let y = g.in_fp32(|g| rms_norm(g, x, name, width, eps))?;
    Ok(g.narrow(&y))
}
