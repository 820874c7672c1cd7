//! What is before and behind the transformer's blocks, and what the caller gives.

use super::block::{Rows, Stream, modulated_norm, modulation};
use super::segments::Segments;
use super::whole::TEXT_TOKENS;
use crate::core::Result;
use crate::onnx::{Attr, Dtype, GraphBuilder, ValueSpec, Var};
use crate::wan::config::TransformerConfig;
use crate::wan::graphs::layers::{concat, gelu, linear, reshape, silu, slice, transpose, unsqueeze};
use crate::wan::graphs::parts;

/// The tables of the rotary embedding as the caller gives them.
pub(super) const TABLES: [&str; 2] = ["rope_cos", "rope_sin"];

/// The timestep and the prompt embeddings as the caller gives them.
pub(super) struct Conditioning {
    pub(super) timestep: Var,
    pub(super) text: Var,
}

impl Conditioning {
    pub(super) fn declare(g: &mut GraphBuilder<'_>, config: &TransformerConfig, segments: Segments) -> Self {
        let timestep = g.input(ValueSpec::new("timestep", Dtype::F32, [segments.count().into()]));
        let dims = ["text_rows".into(), config.text_dim.into()];
        Self { timestep, text: g.input(ValueSpec::new("encoder_hidden_states", Dtype::F32, dims)) }
    }
}

fn video_spec(name: &str, channels: usize) -> ValueSpec {
    let dims = [1.into(), channels.into(), "frames".into(), "height".into(), "width".into()];
    ValueSpec::new(name, Dtype::F32, dims)
}

pub(super) fn latent_spec(config: &TransformerConfig) -> ValueSpec {
    video_spec("hidden_states", config.in_channels)
}

pub(super) fn text_index_spec() -> ValueSpec {
    ValueSpec::new("text_index", Dtype::I64, [TEXT_TOKENS.into()])
}

pub(super) fn table_spec(name: &str, config: &TransformerConfig) -> ValueSpec {
    ValueSpec::new(name, Dtype::F32, ["tokens".into(), (config.attention_head_dim / 2).into()])
}

pub(super) fn position_spec() -> ValueSpec {
    ValueSpec::new("pos", Dtype::I64, [1.into()])
}

pub(super) fn split_input(g: &mut GraphBuilder<'_>, segments: Segments) -> Option<Var> {
    (segments == Segments::Two).then(|| g.input(ValueSpec::new("seg_split", Dtype::I64, [1.into()])))
}

/// Tokens `[S, width]` in fp32, and the grid `[3]` of patches in time, height and width.
///
/// The CPU computes a convolution, which needs no copy of the latent in another order; elsewhere one in three dimensions
/// is slow or missing, and a product takes its place.
pub(super) fn patch_embedding(
    g: &mut GraphBuilder<'_>,
    latent: &Var,
    config: &TransformerConfig,
) -> Result<(Var, Var)> {
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
pub(super) fn grid(g: &mut GraphBuilder<'_>, latent: &Var, config: &TransformerConfig) -> Var {
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
pub(super) fn time_embedding(
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

pub(super) fn text_embedding(
    g: &mut GraphBuilder<'_>,
    text: &Var,
    config: &TransformerConfig,
) -> Result<Var> {
    let text = g.narrow(text);
    let x = linear(g, &text, "condition_embedder.text_embedder.linear_1", [config.text_dim, config.width()])?;
    let x = gelu(g, &x);
    linear(g, &x, "condition_embedder.text_embedder.linear_2", [config.width(), config.width()])
}

/// Declares the output: the velocity, of the tokens behind the last block.
pub(super) fn head(
    g: &mut GraphBuilder<'_>,
    x: Stream,
    embedding: &Var,
    grid: &Var,
    rows: &Rows<'_>,
) -> Result<()> {
    let config = rows.config;
    let embedding = unsqueeze(g, embedding, 1);
    let tables = modulation(g, "scale_shift_table", &embedding, 2, rows)?;
    let patch: usize = config.patch_size.iter().product();
    let project = |g: &mut GraphBuilder<'_>, x: Stream| {
        let [_, x] = modulated_norm(g, x, &tables, [0, 1], rows);
        linear(g, &x, "proj_out", [config.width(), config.channels_out() * patch])
    };
    let [chunks, _] = rows.chunks();
    let x = if chunks == 1 {
        project(g, x)?
    } else {
        let x = x.settled(g);
        parts::in_chunks(g, chunks, [&x], |g, _, [x]| project(g, x.into()))?
    };
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
