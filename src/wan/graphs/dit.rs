//! The diffusion transformer: predicts the velocity for a noisy latent, a timestep and prompt embeddings.
//!
//! Reference: `wan/modules/model.py`, diffusers' `WanTransformer3DModel`. The batch size is always 1.

mod split;

pub use split::streamed_transformer;

use super::super::config::TransformerConfig;
use super::layers::{
    concat, gated_linear, gelu, layer_norm, linear, reshape, rms_norm, silu, slice, squeeze, transpose,
    unsqueeze,
};
use super::parts;
use super::rotary::Rotary;
use crate::core::Result;
use crate::onnx::{Adapter, Attr, Dtype, Graph, GraphBuilder, GraphTarget, ValueSpec, Var, Weights};

/// Number of rows of prompt embeddings that the transformer attends to. Short prompts are padded with zero rows, which are
/// not masked.
///
/// The graph takes the distinct rows and an index of 512, because all rows after a prompt's end are equal. Their keys and
/// values are computed once per pass, which takes less than 1 % of a step at official sizes; keeping them between steps
/// would cost hundreds of megabytes.
pub const TEXT_TOKENS: usize = 512;
/// The tables of the rotary embedding as the caller gives them.
const TABLES: [&str; 2] = ["rope_cos", "rope_sin"];

/// How many different timesteps the tokens have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// All tokens have the same timestep.
    One,
    /// Tokens of the first latent frame have timestep 0, because it is given, the rest another (ti2v-5B with an image).
    Two,
}

impl Segments {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

/// What the modulation of rows needs, in the blocks and behind them.
struct Rows<'c> {
    config: &'c TransformerConfig,
    segments: usize,
    /// Number of rows in each segment, `[2]`.
    split: Option<Var>,
    one: Var,
}

impl<'c> Rows<'c> {
    fn new(
        g: &mut GraphBuilder<'_>,
        config: &'c TransformerConfig,
        segments: Segments,
        split: Option<Var>,
    ) -> Self {
        let one = g.in_fp32(|g| g.scalar(1.0));
        Self { config, segments: segments.count(), split, one }
    }

    /// The gate vector `index`, if it is the same for all rows.
    fn gate<'t>(&self, tables: &'t [Vec<Var>], index: usize) -> Option<&'t Var> {
        tables.first().filter(|_| self.split.is_none()).map(|table| &table[index])
    }
}

/// Values that every block uses.
struct Shared<'c> {
    rows: Rows<'c>,
    /// The distinct rows of the prompt embeddings, projected: `[text_rows, width]`.
    text: Var,
    /// For each of the 512 rows, the index of its distinct row.
    text_index: Var,
    /// `[segments, 6, width]`.
    timestep: Var,
    rotary: Rotary,
}

/// The graph of one transformer:
/// `hidden_states [1,C,T,H,W], timestep [segments], encoder_hidden_states [R, text_dim], text_index [512] i64,
/// rope_cos/rope_sin [S, head/2], pos [1] i64 = 0 (, seg_split [2] i64) -> sample [1,O,T,H,W]`. Only the form for the CPU reads
/// `pos`.
///
/// The 512 rows of the prompt embeddings are given as `R` distinct rows and an index: all rows after the prompt's end are
/// equal, and their keys and values, most of the cost of cross-attention's inputs, are computed once.
///
/// `timestep` is the scheduler's, from 0 to 1000; the tables are [`crate::wan::rope::tables`].
///
/// With 16-bit compute types, the residual stream with its norms, modulation and gates, the timestep embedding and the
/// rotary embedding stay in fp32, as in Wan's own code; diffusers rounds the residual stream after each block.
/// Matrix products, attention and the norms of queries and keys are in 16 bits.
///
/// # Errors
///
/// Fails if a tensor is missing in `weights` or has another shape than `config` says.
pub fn transformer(
    config: &TransformerConfig,
    weights: &Weights,
    segments: Segments,
    target: impl Into<GraphTarget>,
) -> Result<Graph> {
    adapted_transformer(config, weights, segments, target, &[])
}

/// The graph of a transformer with LoRAs: each of `adapters` adds an input `[1]` for its strength, by its own name.
pub fn adapted_transformer(
    config: &TransformerConfig,
    weights: &Weights,
    segments: Segments,
    target: impl Into<GraphTarget>,
    adapters: &[Adapter],
) -> Result<Graph> {
    let mut g =
        GraphBuilder::new("transformer", weights).for_target(target.into()).with_adapters(adapters)?;
    let latent = g.input(latent_spec(config));
    let Conditioning { timestep, text } = Conditioning::declare(&mut g, config, segments);
    let text_index = g.input(text_index_spec());
    let tables = TABLES.map(|name| g.input(table_spec(name, config)));
    let position = g.input(position_spec());
    let split = split_input(&mut g, segments);

    let (mut x, grid) = patch_embedding(&mut g, &latent, config)?;
    let (embedding, timestep) = time_embedding(&mut g, &timestep, config, segments.count())?;
    let text = text_embedding(&mut g, &text, config)?;
    let rows = Rows::new(&mut g, config, segments, split);
    let rotary = Rotary::new(&mut g, position, tables, config.attention_head_dim);
    let shared = Shared { rows, text, text_index, timestep, rotary };
    for layer in 0..config.num_layers {
        x = block(&mut g, &x, &shared, layer)?;
    }
    head(&mut g, &x, &embedding, &grid, &shared.rows)?;
    Ok(g.finish())
}

/// The timestep and the prompt embeddings as the caller gives them.
struct Conditioning {
    timestep: Var,
    text: Var,
}

impl Conditioning {
    fn declare(g: &mut GraphBuilder<'_>, config: &TransformerConfig, segments: Segments) -> Self {
        let timestep = g.input(ValueSpec::new("timestep", Dtype::F32, [segments.count().into()]));
        let dims = ["text_rows".into(), config.text_dim.into()];
        Self { timestep, text: g.input(ValueSpec::new("encoder_hidden_states", Dtype::F32, dims)) }
    }
}

fn video_spec(name: &str, channels: usize) -> ValueSpec {
    let dims = [1.into(), channels.into(), "frames".into(), "height".into(), "width".into()];
    ValueSpec::new(name, Dtype::F32, dims)
}

fn latent_spec(config: &TransformerConfig) -> ValueSpec {
    video_spec("hidden_states", config.in_channels)
}

fn text_index_spec() -> ValueSpec {
    ValueSpec::new("text_index", Dtype::I64, [TEXT_TOKENS.into()])
}

fn table_spec(name: &str, config: &TransformerConfig) -> ValueSpec {
    ValueSpec::new(name, Dtype::F32, ["tokens".into(), (config.attention_head_dim / 2).into()])
}

fn position_spec() -> ValueSpec {
    ValueSpec::new("pos", Dtype::I64, [1.into()])
}

fn split_input(g: &mut GraphBuilder<'_>, segments: Segments) -> Option<Var> {
    (segments == Segments::Two).then(|| g.input(ValueSpec::new("seg_split", Dtype::I64, [2.into()])))
}

/// Tokens `[S, width]` in fp32, and the grid `[3]` of patches in time, height and width.
///
/// The CPU computes a convolution, which needs no copy of the latent in another order; elsewhere one in three dimensions
/// is slow or missing, and a product takes its place.
fn patch_embedding(g: &mut GraphBuilder<'_>, latent: &Var, config: &TransformerConfig) -> Result<(Var, Var)> {
    let [pt, ph, pw] = config.patch_size;
    let width = config.width();
    let weight = g.weight("patch_embedding.weight", &[width, config.in_channels, pt, ph, pw])?;
    let bias = g.weight("patch_embedding.bias", &[width])?;
    let latent = g.narrow(latent);
    if !g.is_for_cpu() {
        let (patches, grid) = patches(g, &latent, config);
        let inputs = config.in_channels * pt * ph * pw;
        let weight = reshape(g, &weight, &[width as i64, inputs as i64]);
        let x = g.op("Gemm", &[&patches, &weight, &bias], &[("transB", Attr::Int(1))]);
        return Ok((g.widen(&x), grid));
    }
    let patch = Attr::Ints(vec![pt as i64, ph as i64, pw as i64]);
    let x = g.op("Conv", &[&latent, &weight, &bias], &[("kernel_shape", patch.clone()), ("strides", patch)]);
    let grid = g.op("Shape", &[&x], &[("start", Attr::Int(2))]);
    let x = reshape(g, &x, &[width as i64, -1]);
    let x = transpose(g, &x, &[1, 0]);
    Ok((g.widen(&x), grid))
}

/// The grid `[3]` of the patches of `latent`.
fn grid(g: &mut GraphBuilder<'_>, latent: &Var, config: &TransformerConfig) -> Var {
    let size = g.op("Shape", &[latent], &[("start", Attr::Int(2))]);
    let sides = g.ints(&config.patch_size.map(|side| side as i64));
    g.op("Div", &[&size, &sides], &[])
}

/// The patches of `latent`, a row for each: `[S, C*pt*ph*pw]`; and their grid.
fn patches(g: &mut GraphBuilder<'_>, latent: &Var, config: &TransformerConfig) -> (Var, Var) {
    let patch = config.patch_size.map(|side| side as i64);
    let grid = grid(g, latent, config);
    let channels = g.ints(&[config.in_channels as i64]);
    let mut dims = vec![channels];
    for (axis, &side) in (0..).zip(&patch) {
        dims.push(slice(g, &grid, axis, axis + 1, 0));
        dims.push(g.ints(&[side]));
    }
    let dims = concat(g, &dims.iter().collect::<Vec<_>>(), 0);
    let x = g.op("Reshape", &[latent, &dims], &[]);
    // (c, t, pt, h, ph, w, pw) -> (t, h, w, c, pt, ph, pw)
    let x = transpose(g, &x, &[1, 3, 5, 0, 2, 4, 6]);
    let inputs = config.in_channels as i64 * patch.iter().product::<i64>();
    (reshape(g, &x, &[-1, inputs]), grid)
}

/// The embedding `[K, width]` and its projection `[K, 6, width]` for `K` timesteps, both fp32.
///
/// The embedding is computed in fp32: its angles reach 1000, where bf16 has steps of 4.
fn time_embedding(
    g: &mut GraphBuilder<'_>,
    timestep: &Var,
    config: &TransformerConfig,
    count: usize,
) -> Result<(Var, Var)> {
    let (half, width) = (config.freq_dim / 2, config.width());
    // diffusers' get_timestep_embedding: exp(-ln(10000) i / half), cosines first
    let frequency = |i: usize| (-(10_000f32.ln()) * i as f32 / half as f32).exp();
    let frequencies = g.floats(&(0..half).map(frequency).collect::<Vec<_>>(), &[1, half]);
    let (embedding, x) = g.in_fp32(|g| -> Result<_> {
        let angle = unsqueeze(g, timestep, 1);
        let angle = g.op("Mul", &[&angle, &frequencies], &[]);
        let (cos, sin) = (g.op("Cos", &[&angle], &[]), g.op("Sin", &[&angle], &[]));
        let x = concat(g, &[&cos, &sin], 1);
        let x = linear(g, &x, "condition_embedder.time_embedder.linear_1", [config.freq_dim, width])?;
        let x = silu(g, &x);
        let embedding = linear(g, &x, "condition_embedder.time_embedder.linear_2", [width, width])?;
        let x = silu(g, &embedding);
        Ok((embedding, x))
    })?;
    let x = g.narrow(&x);
    let x = linear(g, &x, "condition_embedder.time_proj", [width, 6 * width])?;
    let x = g.widen(&x);
    Ok((embedding, reshape(g, &x, &[count as i64, 6, width as i64])))
}

fn text_embedding(g: &mut GraphBuilder<'_>, text: &Var, config: &TransformerConfig) -> Result<Var> {
    let text = g.narrow(text);
    let x = linear(g, &text, "condition_embedder.text_embedder.linear_1", [config.text_dim, config.width()])?;
    let x = gelu(g, &x);
    linear(g, &x, "condition_embedder.text_embedder.linear_2", [config.width(), config.width()])
}

fn block(g: &mut GraphBuilder<'_>, x: &Var, shared: &Shared<'_>, layer: usize) -> Result<Var> {
    let Shared { rows, .. } = shared;
    let (config, width) = (rows.config, rows.config.width());
    let base = format!("blocks.{layer}");
    // shift_msa, scale_msa, gate_msa, c_shift, c_scale, c_gate
    let mut tables = modulation(g, &format!("{base}.scale_shift_table"), &shared.timestep, 6, rows)?;

    let h = modulated_norm(g, x, &tables, [0, 1], rows);
    let attention = format!("{base}.attn1");
    let q = query_or_key(g, &h, &attention, "q", config)?;
    let k = query_or_key(g, &h, &attention, "k", config)?;
    let v = value(g, &h, &attention, config)?;
    let (q, k) = (shared.rotary.apply(g, &q, width), shared.rotary.apply(g, &k, width));
    let h = attend(g, [&q, &k, &v], config);
    let h = gated_linear(g, &h, &format!("{attention}.to_out.0"), [width, width], rows.gate(&tables, 2))?;
    let x = residual(g, x, &h, &tables, 2, rows);

    let h = if config.cross_attn_norm {
        g.in_fp32(|g| -> Result<_> {
            let scale = g.weight(&format!("{base}.norm2.weight"), &[width])?;
            let shift = g.weight(&format!("{base}.norm2.bias"), &[width])?;
            Ok(layer_norm(g, &x, &scale, &shift, config.eps))
        })?
    } else {
        x.clone()
    };
    let h = g.narrow(&h);
    let attention = format!("{base}.attn2");
    let q = query_or_key(g, &h, &attention, "q", config)?;
    let k = query_or_key(g, &shared.text, &attention, "k", config)?;
    let v = value(g, &shared.text, &attention, config)?;
    let text_index = g.once_known(&shared.text_index, &x);
    let every_row =
        |g: &mut GraphBuilder<'_>, x: &Var| g.op("Gather", &[x, &text_index], &[("axis", Attr::Int(1))]);
    let (k, v) = (every_row(g, &k), every_row(g, &v));
    let h = attend(g, [&q, &k, &v], config);
    let h = linear(g, &h, &format!("{attention}.to_out.0"), [width, width])?;
    let h = g.widen(&h);
    let x = g.op("Add", &[&x, &h], &[]);

    // once in a block, so that a cancelled run ends with the block
    tables[0][3] = g.once_computed(&tables[0][3], &x);
    let h = modulated_norm(g, &x, &tables, [3, 4], rows);
    let h = parts::by_rows(g, &h, |g, h| {
        let h = linear(g, h, &format!("{base}.ffn.net.0.proj"), [width, config.ffn_dim])?;
        let h = gelu(g, &h);
        let down = format!("{base}.ffn.net.2");
        gated_linear(g, &h, &down, [config.ffn_dim, width], rows.gate(&tables, 5))
    })?;
    Ok(residual(g, &x, &h, &tables, 5, rows))
}

/// Projection and RMS norm over the whole width: `[1, S, width]`.
fn query_or_key(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    attention: &str,
    which: &str,
    config: &TransformerConfig,
) -> Result<Var> {
    let width = config.width();
    let y = linear(g, x, &format!("{attention}.to_{which}"), [width, width])?;
    let y = rms_norm(g, &y, &format!("{attention}.norm_{which}"), width, config.eps)?;
    Ok(unsqueeze(g, &y, 0))
}

/// Projection: `[1, S, width]`.
fn value(g: &mut GraphBuilder<'_>, x: &Var, attention: &str, config: &TransformerConfig) -> Result<Var> {
    let width = config.width();
    let v = linear(g, x, &format!("{attention}.to_v"), [width, width])?;
    Ok(unsqueeze(g, &v, 0))
}

/// Attention of queries over keys and values: `[S, width]`.
fn attend(g: &mut GraphBuilder<'_>, qkv: [&Var; 3], config: &TransformerConfig) -> Var {
    let y = parts::attention(g, qkv, config.num_attention_heads);
    reshape(g, &y, &[-1, config.width() as i64])
}

/// `count` vectors `[width]` for each segment: the learned table plus the timestep's projection.
fn modulation(
    g: &mut GraphBuilder<'_>,
    table: &str,
    timestep: &Var,
    count: usize,
    rows: &Rows<'_>,
) -> Result<Vec<Vec<Var>>> {
    let table = g.in_fp32(|g| g.weight(table, &[1, count, rows.config.width()]))?;
    let sum = g.op("Add", &[timestep, &table], &[]);
    let segment = |g: &mut GraphBuilder<'_>, index: i64| {
        let rows = slice(g, &sum, index, index + 1, 0);
        let rows = squeeze(g, &rows, 0);
        let parts = g.op_many(
            "Split",
            &[&rows],
            count,
            &[("axis", Attr::Int(0)), ("num_outputs", Attr::Int(count as i64))],
        );
        parts.iter().map(|part| squeeze(g, part, 0)).collect()
    };
    Ok((0..rows.segments as i64).map(|index| segment(g, index)).collect())
}

/// `LN(x) * (1 + scale) + shift` with each segment's own vectors, from fp32 to the compute type.
fn modulated_norm(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    tables: &[Vec<Var>],
    [shift, scale]: [usize; 2],
    rows: &Rows<'_>,
) -> Var {
    let y = per_segment(g, x, rows, |g, x, segment| {
        let scale = g.op("Add", &[&tables[segment][scale], &rows.one], &[]);
        layer_norm(g, x, &scale, &tables[segment][shift], rows.config.eps)
    });
    g.narrow(&y)
}

/// `x + h` in fp32. If each segment has its own gate, `h` is multiplied by it here; else [`Shared::gate`] was applied.
fn residual(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    h: &Var,
    tables: &[Vec<Var>],
    gate: usize,
    rows: &Rows<'_>,
) -> Var {
    if rows.gate(tables, gate).is_some() {
        return g.op("Add", &[x, h], &[]);
    }
    let h = g.widen(h);
    let gated = per_segment(g, &h, rows, |g, x, segment| g.op("Mul", &[x, &tables[segment][gate]], &[]));
    g.op("Add", &[x, &gated], &[])
}

fn per_segment(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    rows: &Rows<'_>,
    apply: impl Fn(&mut GraphBuilder<'_>, &Var, usize) -> Var,
) -> Var {
    let Some(split) = &rows.split else { return apply(g, x, 0) };
    let parts = g.op_many("Split", &[x, split], rows.segments, &[("axis", Attr::Int(0))]);
    let done: Vec<_> = parts.iter().enumerate().map(|(segment, rows)| apply(g, rows, segment)).collect();
    concat(g, &done.iter().collect::<Vec<_>>(), 0)
}

/// Declares the output: the velocity, of the tokens behind the last block.
fn head(g: &mut GraphBuilder<'_>, x: &Var, embedding: &Var, grid: &Var, rows: &Rows<'_>) -> Result<()> {
    let config = rows.config;
    let embedding = unsqueeze(g, embedding, 1);
    let tables = modulation(g, "scale_shift_table", &embedding, 2, rows)?;
    let x = modulated_norm(g, x, &tables, [0, 1], rows);
    let patch: usize = config.patch_size.iter().product();
    let x = linear(g, &x, "proj_out", [config.width(), config.channels_out() * patch])?;
    let x = g.widen(&x);
    let sample = unpatchify(g, &x, grid, config);
    g.output(&sample, video_spec("sample", config.channels_out()));
    Ok(())
}

/// Tokens `[S, pt*ph*pw*O]` to a latent `[1, O, T, H, W]`.
fn unpatchify(g: &mut GraphBuilder<'_>, x: &Var, grid: &Var, config: &TransformerConfig) -> Var {
    let [pt, ph, pw] = config.patch_size.map(|side| side as i64);
    let channels = config.channels_out() as i64;
    let patch = g.ints(&[pt, ph, pw, channels]);
    let dims = concat(g, &[grid, &patch], 0);
    let x = g.op("Reshape", &[x, &dims], &[]);
    // (t, h, w, pt, ph, pw, c) -> (c, t, pt, h, ph, w, pw)
    let x = transpose(g, &x, &[6, 0, 3, 1, 4, 2, 5]);
    let patch = g.ints(&[pt, ph, pw]);
    let size = g.op("Mul", &[grid, &patch], &[]);
    let lead = g.ints(&[1, channels]);
    let dims = concat(g, &[&lead, &size], 0);
    g.op("Reshape", &[&x, &dims], &[])
}
