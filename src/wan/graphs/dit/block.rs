//! One block of the transformer: attention over the tokens, attention to the text, and the feed-forward.

use super::segments::Segments;
use crate::core::Result;
use crate::onnx::{Attr, GraphBuilder, Var};
use crate::wan::config::TransformerConfig;
use crate::wan::graphs::layers::{
    concat, gated_linear, gelu, layer_norm, linear, reshape, rms_norm, slice, squeeze, unsqueeze,
};
use crate::wan::graphs::parts;
use crate::wan::graphs::rotary::Rotary;

/// What the modulation of rows needs, in the blocks and behind them.
pub(super) struct Rows<'c> {
    pub(super) config: &'c TransformerConfig,
    pub(super) segments: usize,
    /// Number of rows in each segment, `[2]`.
    pub(super) split: Option<Var>,
    pub(super) one: Var,
}

impl<'c> Rows<'c> {
    pub(super) fn new(
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
pub(super) struct Shared<'c> {
    pub(super) rows: Rows<'c>,
    /// The distinct rows of the prompt embeddings, projected: `[text_rows, width]`.
    pub(super) text: Var,
    /// For each of the 512 rows, the index of its distinct row.
    pub(super) text_index: Var,
    /// `[segments, 6, width]`.
    pub(super) timestep: Var,
    pub(super) rotary: Rotary,
}

pub(super) fn block(g: &mut GraphBuilder<'_>, x: &Var, shared: &Shared<'_>, layer: usize) -> Result<Var> {
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
pub(super) fn modulation(
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
pub(super) fn modulated_norm(
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
