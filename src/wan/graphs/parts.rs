//! Long operations of a transformer, split into blocks that run one after the other.
//!
//! Unsplit, the values between the two matrices of the feed-forward are the largest of a pass, and attention over many
//! tokens is the longest operation that a cancel has to wait for. Measured on two cores (width 1536, 4 layers,
//! 2340 tokens): with both split, fp32 peaks at 934 MiB instead of 1109 and int8 at 402 instead of 669, and a pass takes no
//! longer. A GPU has short operations and is faster with large ones, so its graphs are split only where its memory does not
//! suffice, and into few chunks.

use super::layers::concat;
use crate::core::{Quantisation, Result};
use crate::onnx::{Attr, GraphBuilder, Var};

/// Maximum number of rows that a feed-forward computes at once on the CPU. At 256 the values between its matrices stay in
/// the cache (fp32 is as fast with 512, and 6 % slower with 128). int8 weights are cheaper to read again, and 192 rows are
/// 1 % faster.
pub const ROWS_AT_ONCE: usize = 256;
const INT8_ROWS_AT_ONCE: usize = 192;
/// Maximum number of heads in one attention; one head at a time makes a short pass in int8 2 to 3 % slower.
const HEADS_AT_ONCE: usize = 4;

/// Applies `apply` to blocks of rows of `x`, `[S, _]`: on a GPU to this number of chunks.
pub(super) fn by_rows<'w>(
    g: &mut GraphBuilder<'w>,
    x: &Var,
    chunks: usize,
    mut apply: impl FnMut(&mut GraphBuilder<'w>, &Var) -> Result<Var>,
) -> Result<Var> {
    if !g.is_for_cpu() {
        return in_chunks(g, chunks, [x], |g, _, [x]| apply(g, &x));
    }
    let is_int8 = g.weights().quantisation() == Some(Quantisation::Int8);
    g.in_row_chunks(x, if is_int8 { INT8_ROWS_AT_ONCE } else { ROWS_AT_ONCE }, apply)
}

/// Applies `apply` to `chunks` chunks of the rows of `inputs`, `[S, _]` each, with the number of the chunk. Needs at least as
/// many rows as chunks.
///
/// Each chunk is computed to its end before the next, so that the values between exist for one of them at a time. A `Loop`
/// would make the host wait for the device in every iteration.
pub(super) fn in_chunks<'w, const N: usize>(
    g: &mut GraphBuilder<'w>,
    chunks: usize,
    inputs: [&Var; N],
    mut apply: impl FnMut(&mut GraphBuilder<'w>, usize, [Var; N]) -> Result<Var>,
) -> Result<Var> {
    let Some(&first) = inputs.first().filter(|_| chunks > 1) else {
        return apply(g, 0, inputs.map(Clone::clone));
    };
    let rows = g.op("Shape", &[first], &[("start", Attr::Int(0)), ("end", Attr::Int(1))]);
    let (count, axis) = (g.ints(&[chunks as i64]), g.ints(&[0]));
    let mut start = g.ints(&[0]);
    let mut done = Vec::with_capacity(chunks);
    for chunk in 0..chunks {
        let end = g.ints(&[chunk as i64 + 1]);
        let end = g.op("Mul", &[&rows, &end], &[]);
        let end = g.op("Div", &[&end, &count], &[]);
        let part = inputs.map(|input| g.op("Slice", &[input, &start, &end, &axis], &[]));
        done.push(apply(g, chunk, part)?);
        start = end;
    }
    Ok(concat(g, &done.iter().collect::<Vec<_>>(), 0))
}

/// Attention of `heads` heads, a few heads at a time; queries, keys and values are `[1, rows, width]`.
pub(super) fn attention(g: &mut GraphBuilder<'_>, [q, k, v]: [&Var; 3], heads: usize) -> Var {
    let at_once = heads_at_once(heads);
    let of = |count: usize| [("num_heads", Attr::Int(count as i64))];
    if !g.is_for_cpu() || at_once == heads {
        return g.contrib("MultiHeadAttention", &[q, k, v], &of(heads));
    }
    let parts = heads / at_once;
    let mut cut = |x: &Var| {
        g.op_many("Split", &[x], parts, &[("axis", Attr::Int(2)), ("num_outputs", Attr::Int(parts as i64))])
    };
    let (q, k, v) = (cut(q), cut(k), cut(v));
    let done: Vec<_> = q
        .iter()
        .zip(&k)
        .zip(&v)
        .map(|((q, k), v)| g.contrib("MultiHeadAttention", &[q, k, v], &of(at_once)))
        .collect();
    concat(g, &done.iter().collect::<Vec<_>>(), 2)
}

/// The largest divisor of `heads` up to [`HEADS_AT_ONCE`].
fn heads_at_once(heads: usize) -> usize {
    (1..=HEADS_AT_ONCE.min(heads)).rev().find(|count| heads.is_multiple_of(*count)).unwrap_or(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_split_evenly() {
        assert_eq!([40, 24, 12, 6, 3, 2, 1].map(heads_at_once), [4, 4, 4, 3, 3, 2, 1]);
    }
}
