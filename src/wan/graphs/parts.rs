//! Long operations of a transformer on the CPU, split into blocks that run one after the other.
//!
//! Unsplit, the values between the two matrices of the feed-forward are the largest of a pass, and attention over many
//! tokens is the longest operation that a cancel has to wait for. Measured on two cores (width 1536, 4 layers,
//! 2340 tokens): with both split, fp32 peaks at 934 MiB instead of 1109 and int8 at 402 instead of 669, and a pass takes no
//! longer. A GPU has short operations and is faster with large ones, so its graphs are not split.

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

/// Applies `apply` to blocks of rows of `x`, `[S, _]`.
pub(super) fn by_rows<'w>(
    g: &mut GraphBuilder<'w>,
    x: &Var,
    apply: impl FnOnce(&mut GraphBuilder<'w>, &Var) -> Result<Var>,
) -> Result<Var> {
    if !g.is_for_cpu() {
        return apply(g, x);
    }
    let is_int8 = g.weights().quantisation() == Some(Quantisation::Int8);
    g.in_row_chunks(x, if is_int8 { INT8_ROWS_AT_ONCE } else { ROWS_AT_ONCE }, apply)
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
