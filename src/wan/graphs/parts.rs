//! Long operations of a transformer on the CPU, cut into parts that run one after the other.
//!
//! What lies between two matrices of the feed-forward was the largest thing a pass held, and attention over many tokens
//! the longest that nothing interrupts. Measured on two cores (width 1536, 4 layers, 2340 tokens): with both cut, fp32
//! peaks at 934 MiB instead of 1109 and int8 at 402 instead of 669, and a pass takes no longer. A GPU has short
//! operations and wants large ones, so graphs for it stay whole.

use super::layers::concat;
use crate::core::{Quantisation, Result};
use crate::onnx::{Attr, ComputeType, GraphBuilder, Var};

/// Most rows that a feed-forward takes at once on the CPU. At 256 what lies between its matrices stays in the cache (fp32
/// as with 512, and at 128 6 % slower); 8-bit weights are read again more cheaply, and 192 rows are 1 % faster there.
pub const ROWS_AT_ONCE: usize = 256;
const INT8_ROWS_AT_ONCE: usize = 192;
/// Most heads of one attention; each by itself makes a short pass in int8 2 to 3 % longer.
const HEADS_AT_ONCE: usize = 4;

/// `apply` on the rows of `x`, `[S, _]`, a few at once.
pub(super) fn by_rows<'w>(
    g: &mut GraphBuilder<'w>,
    x: &Var,
    apply: impl FnOnce(&mut GraphBuilder<'w>, &Var) -> Result<Var>,
) -> Result<Var> {
    if g.section_compute() != ComputeType::Fp32 {
        return apply(g, x);
    }
    let is_int8 = g.weights().quantisation() == Some(Quantisation::Int8);
    g.in_row_chunks(x, if is_int8 { INT8_ROWS_AT_ONCE } else { ROWS_AT_ONCE }, apply)
}

/// Attention of `heads` heads, a few at once; queries, keys and values are `[1, rows, width]`.
pub(super) fn attention(g: &mut GraphBuilder<'_>, [q, k, v]: [&Var; 3], heads: usize) -> Var {
    let at_once = heads_at_once(heads);
    let of = |count: usize| [("num_heads", Attr::Int(count as i64))];
    if g.section_compute() != ComputeType::Fp32 || at_once == heads {
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

/// The largest number of heads up to [`HEADS_AT_ONCE`] that all parts can have.
fn heads_at_once(heads: usize) -> usize {
    (1..=HEADS_AT_ONCE.min(heads)).rev().find(|count| heads.is_multiple_of(*count)).unwrap_or(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_go_in_equal_parts() {
        assert_eq!([40, 24, 12, 6, 3, 2, 1].map(heads_at_once), [4, 4, 4, 3, 3, 2, 1]);
    }
}
