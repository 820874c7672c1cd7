//! One block of the transformer: attention over the tokens, attention to the text, and the feed-forward.

use super::form::TransformerForm;
use crate::core::Result;
use crate::onnx::{Attr, GraphBuilder, Var};
use crate::wan::config::TransformerConfig;
use crate::wan::graphs::layers::{
    added_norm, biased_gelu, biased_rms_norm, concat, gated_linear, gated_product, gelu, layer_norm, linear,
    lone_norm, product, reshape, rms_norm, slice, squeeze, unsqueeze,
};
use crate::wan::graphs::parts;
use crate::wan::graphs::rotary::Rotary;

/// What the modulation of rows needs, in the blocks and behind them.
pub(super) struct Rows<'c> {
    pub(super) config: &'c TransformerConfig,
    pub(super) segments: usize,
    /// Number of chunks in which rows are computed on a GPU.
    chunks: usize,
    /// The row at which the second segment begins, `[1]`; `None` if there is one segment.
    pub(super) split: Option<Var>,
    pub(super) one: Var,
    /// Whether norms add what is pending in the residual stream, and a bias is added behind attention.
    fuses: bool,
}

impl<'c> Rows<'c> {
    pub(super) fn new(
        g: &mut GraphBuilder<'_>,
        config: &'c TransformerConfig,
        form: TransformerForm,
        split: Option<Var>,
    ) -> Self {
        let TransformerForm { segments, row_chunks } = form;
        let one = g.in_fp32(|g| g.scalar(1.0));
        let fuses = g.fuses_norms() && split.is_none();
        let chunks = if g.is_for_cpu() { 1 } else { row_chunks.count() };
        Self { config, segments: segments.count(), chunks, split, one, fuses }
    }

    /// Numbers of chunks for all that follows the attention over the tokens, and for the feed-forward in it: segments have
    /// norms of their own, which are computed for all rows.
    pub(super) fn chunks(&self) -> [usize; 2] {
        if self.split.is_some() { [1, self.chunks] } else { [self.chunks, 1] }
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

/// The residual stream, in fp32.
pub(super) struct Stream {
    /// The sum so far, `[S, width]`.
    sum: Var,
    /// What the next norm adds to it, in one operation with the norm.
    pending: Option<Pending>,
}

/// A product that is not in the residual stream yet, in fp32 and with its gate.
struct Pending {
    product: Var,
    /// `[width]`.
    bias: Var,
}

impl From<Var> for Stream {
    fn from(sum: Var) -> Self {
        Self { sum, pending: None }
    }
}

impl Stream {
    /// What was computed last.
    fn newest(&self) -> &Var {
        self.pending.as_ref().map_or(&self.sum, |pending| &pending.product)
    }

    /// The sum alone, added in the order of [`added_norm`], so that blocks with graphs of their own compute the same
    /// numbers.
    pub(super) fn settled(self, g: &mut GraphBuilder<'_>) -> Var {
        let Some(Pending { product, bias }) = self.pending else { return self.sum };
        let sum = g.op("Add", &[&self.sum, &product], &[]);
        g.op("Add", &[&sum, &bias], &[])
    }

    /// The sum, and its layer norm in fp32.
    fn normed(self, g: &mut GraphBuilder<'_>, affine: [&Var; 2], rows: &Rows<'_>) -> [Var; 2] {
        let eps = rows.config.eps;
        match self.pending {
            Some(Pending { product, bias }) => added_norm(g, [&self.sum, &product, &bias], affine, eps),
            None if rows.fuses => {
                let normed = lone_norm(g, &self.sum, affine, rows.config.width(), eps);
                [self.sum, normed]
            }
            None => {
                let normed = layer_norm(g, &self.sum, affine[0], affine[1], eps);
                [self.sum, normed]
            }
        }
    }
}

/// A block: the residual stream behind it.
pub(super) fn block(
    g: &mut GraphBuilder<'_>,
    x: Stream,
    shared: &Shared<'_>,
    layer: usize,
) -> Result<Stream> {
    let Shared { rows, .. } = shared;
    let (config, width) = (rows.config, rows.config.width());
    let base = format!("blocks.{layer}");
    // shift_msa, scale_msa, gate_msa, c_shift, c_scale, c_gate
    let tables = modulation(g, &format!("{base}.scale_shift_table"), &shared.timestep, 6, rows)?;

    let [x, h] = modulated_norm(g, x, &tables, [0, 1], rows);
    let attention = format!("{base}.attn1");
    let q = query_or_key(g, &h, &attention, "q", config)?;
    let k = query_or_key(g, &h, &attention, "k", config)?;
    let v = value(g, &h, &attention, config, !rows.fuses)?;
    let (q, k) = (shared.rotary.apply(g, &q, width), shared.rotary.apply(g, &k, width));
    let h = attend(g, [&q, &k, &v], config);
    let text = text_keys_and_values(g, &h, &format!("{base}.attn2"), shared)?;
    let output = format!("{attention}.to_out.0");
    let bias =
        if rows.fuses { Some(bias_behind_attention(g, &x, &attention, &output, config)?) } else { None };
    let behind_attention = |g: &mut GraphBuilder<'_>, chunk, [x, h]: [Var; 2]| {
        let mut tables = tables.clone();
        let stream = match &bias {
            Some(bias) => {
                let factors = Factors { h: &h, name: &output, sides: [width; 2] };
                pending(g, x, factors, bias.clone(), rows.gate(&tables, 2))?
            }
            None => added(g, x, &h, &output, Some(Gate(&tables, 2)), rows)?,
        };
        let stream = attend_to_text(g, stream, &base, &text, rows)?;
        if chunk == 0 {
            // once in a block, so that a cancelled run ends with the block
            tables[0][3] = g.once_computed(&tables[0][3], stream.newest());
        }
        let [x, h] = modulated_norm(g, stream, &tables, [3, 4], rows);
        feed_forward(g, x, &h, &format!("{base}.ffn.net"), &tables, rows)
    };
    let [chunks, _] = rows.chunks();
    if chunks == 1 {
        return behind_attention(g, 0, [x, h]);
    }
    let x = parts::in_chunks(g, chunks, [&x, &h], |g, chunk, inputs| {
        Ok(behind_attention(g, chunk, inputs)?.settled(g))
    })?;
    Ok(x.into())
}

/// Keys and values of all rows of the prompt embeddings, not known before `h` is.
fn text_keys_and_values(
    g: &mut GraphBuilder<'_>,
    h: &Var,
    attention: &str,
    shared: &Shared<'_>,
) -> Result<[Var; 2]> {
    let config = shared.rows.config;
    let k = query_or_key(g, &shared.text, attention, "k", config)?;
    let v = value(g, &shared.text, attention, config, true)?;
    let text_index = g.once_known(&shared.text_index, h);
    Ok([k, v].map(|rows| g.op("Gather", &[&rows, &text_index], &[("axis", Attr::Int(1))])))
}

/// The residual stream behind the attention to the text.
fn attend_to_text(
    g: &mut GraphBuilder<'_>,
    stream: Stream,
    base: &str,
    [k, v]: &[Var; 2],
    rows: &Rows<'_>,
) -> Result<Stream> {
    let (config, width) = (rows.config, rows.config.width());
    let [x, h] = if config.cross_attn_norm {
        let [scale, shift] = g.in_fp32(|g| -> Result<_> {
            let scale = g.weight(&format!("{base}.norm2.weight"), &[width])?;
            Ok([scale, g.weight(&format!("{base}.norm2.bias"), &[width])?])
        })?;
        stream.normed(g, [&scale, &shift], rows)
    } else {
        let x = stream.settled(g);
        [x.clone(), x]
    };
    let h = g.narrow(&h);
    let attention = format!("{base}.attn2");
    let q = query_or_key(g, &h, &attention, "q", config)?;
    let h = attend(g, [&q, k, v], config);
    added(g, x, &h, &format!("{attention}.to_out.0"), None, rows)
}

/// The vectors of a gate: an index into the tables of the segments.
struct Gate<'t>(&'t [Vec<Var>], usize);

/// Adds the `Linear` called `name` of `h` to the residual stream `x`.
fn added(
    g: &mut GraphBuilder<'_>,
    x: Var,
    h: &Var,
    name: &str,
    gate: Option<Gate<'_>>,
    rows: &Rows<'_>,
) -> Result<Stream> {
    let width = rows.config.width();
    if rows.fuses {
        let gate = gate.and_then(|Gate(tables, index)| rows.gate(tables, index));
        let bias = wide_bias(g, name, width)?;
        return pending(g, x, Factors { h, name, sides: [width; 2] }, bias, gate);
    }
    if let Some(Gate(tables, index)) = gate {
        let h = gated_linear(g, h, name, [width, width], rows.gate(tables, index))?;
        return Ok(residual(g, &x, &h, tables, index, rows).into());
    }
    let h = linear(g, h, name, [width, width])?;
    let h = g.widen(&h);
    Ok(g.op("Add", &[&x, &h], &[]).into())
}

/// What a product multiplies: `h`, and the matrix of the `Linear` called `name`, `[inputs, outputs]`.
#[derive(Clone, Copy)]
struct Factors<'a> {
    h: &'a Var,
    name: &'a str,
    sides: [usize; 2],
}

/// The residual stream `sum` to which the product of `factors` and `bias`, in fp32, will be added, both times `gate`.
fn pending(
    g: &mut GraphBuilder<'_>,
    sum: Var,
    factors: Factors<'_>,
    bias: Var,
    gate: Option<&Var>,
) -> Result<Stream> {
    let Factors { h, name, sides } = factors;
    let (product, bias) = if let Some(gate) = gate {
        (gated_product(g, h, name, sides, gate)?, g.op("Mul", &[&bias, gate], &[]))
    } else {
        let product = product(g, h, name, sides)?;
        (g.widen(&product), bias)
    };
    Ok(Stream { sum, pending: Some(Pending { product, bias }) })
}

/// The bias of the `Linear` called `name`, in fp32.
fn wide_bias(g: &mut GraphBuilder<'_>, name: &str, width: usize) -> Result<Var> {
    g.in_fp32(|g| g.weight(&format!("{name}.bias"), &[width]))
}

/// What the biases of the values and of the `Linear` called `output` add behind attention, in fp32. The factors of
/// attention sum to 1, so it returns the bias of the values as it is.
fn bias_behind_attention(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    attention: &str,
    output: &str,
    config: &TransformerConfig,
) -> Result<Var> {
    let width = config.width();
    let of_values = g.weight(&format!("{attention}.to_v.bias"), &[width])?;
    // else ONNX Runtime would compute it with the CPU when it makes the session
    let of_values = g.once_known(&of_values, x);
    let row = unsqueeze(g, &of_values, 0);
    let row = product(g, &row, output, [width, width])?;
    let of_values = squeeze(g, &row, 0);
    let of_values = g.widen(&of_values);
    let own = wide_bias(g, output, width)?;
    Ok(g.op("Add", &[&of_values, &own], &[]))
}

fn feed_forward(
    g: &mut GraphBuilder<'_>,
    x: Var,
    h: &Var,
    name: &str,
    tables: &[Vec<Var>],
    rows: &Rows<'_>,
) -> Result<Stream> {
    let (width, inner) = (rows.config.width(), rows.config.ffn_dim);
    let (up, down) = (format!("{name}.0.proj"), format!("{name}.2"));
    let gate = rows.gate(tables, 5);
    if rows.fuses {
        let h = widened(g, h, &up, [width, inner])?;
        let bias = wide_bias(g, &down, width)?;
        let factors = Factors { h: &h, name: &down, sides: [inner, width] };
        return pending(g, x, factors, bias, gate);
    }
    let [_, chunks] = rows.chunks();
    let h = parts::by_rows(g, h, chunks, |g, h| {
        let h = widened(g, h, &up, [width, inner])?;
        gated_linear(g, &h, &down, [inner, width], gate)
    })?;
    Ok(residual(g, &x, &h, tables, 5, rows).into())
}

/// The `Linear` called `name` and GELU.
fn widened(g: &mut GraphBuilder<'_>, h: &Var, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Var> {
    if g.fuses_norms() {
        let bias = g.weight(&format!("{name}.bias"), &[outputs])?;
        let h = product(g, h, name, [inputs, outputs])?;
        return Ok(biased_gelu(g, &h, &bias));
    }
    let h = linear(g, h, name, [inputs, outputs])?;
    Ok(gelu(g, &h))
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
    let (matrix, norm) = (format!("{attention}.to_{which}"), format!("{attention}.norm_{which}"));
    if g.fuses_norms() {
        let y = product(g, x, &matrix, [width, width])?;
        let y = biased_rms_norm(g, &y, [&norm, &matrix], width, config.eps)?;
        return Ok(reshape(g, &y, &[1, -1, width as i64]));
    }
    let y = linear(g, x, &matrix, [width, width])?;
    let y = rms_norm(g, &y, &norm, width, config.eps)?;
    Ok(unsqueeze(g, &y, 0))
}

/// Projection, with its bias where nothing behind attention adds it: `[1, S, width]`.
fn value(
    g: &mut GraphBuilder<'_>,
    x: &Var,
    attention: &str,
    config: &TransformerConfig,
    is_biased: bool,
) -> Result<Var> {
    let (name, sides) = (format!("{attention}.to_v"), [config.width(); 2]);
    let v = if is_biased { linear(g, x, &name, sides)? } else { product(g, x, &name, sides)? };
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

/// The residual stream, and its `LN(x) * (1 + scale) + shift` with each segment's own vectors, in the compute type.
pub(super) fn modulated_norm(
    g: &mut GraphBuilder<'_>,
    stream: Stream,
    tables: &[Vec<Var>],
    [shift, scale]: [usize; 2],
    rows: &Rows<'_>,
) -> [Var; 2] {
    let eps = rows.config.eps;
    let factor =
        |g: &mut GraphBuilder<'_>, segment: usize| g.op("Add", &[&tables[segment][scale], &rows.one], &[]);
    let [x, y] = if rows.split.is_some() {
        let x = stream.settled(g);
        let y = per_segment(g, &x, rows, |g, x, segment| {
            let scale = factor(g, segment);
            layer_norm(g, x, &scale, &tables[segment][shift], eps)
        });
        [x, y]
    } else {
        let scale = factor(g, 0);
        stream.normed(g, [&scale, &tables[0][shift]], rows)
    };
    [x, g.narrow(&y)]
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
    // ONNX Runtime's Split into parts of two sizes copies a list of all rows to the device
    let (start, end, axis) = (g.ints(&[0]), g.ints(&[i64::MAX]), g.ints(&[0]));
    let done = [[&start, split], [split, &end]].into_iter().enumerate().map(|(segment, [from, to])| {
        let part = g.op("Slice", &[x, from, to, &axis], &[]);
        apply(g, &part, segment)
    });
    let done: Vec<_> = done.collect();
    concat(g, &done.iter().collect::<Vec<_>>(), 0)
}
