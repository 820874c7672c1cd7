//! Long operations of a transformer on the CPU, cut into parts that run one after the other.
//!
//! What lies between two matrices of the feed-forward is the largest thing a pass holds, and attention over many
//! tokens the longest that nothing interrupts. Measured on two cores (width 1536, 4 layers, 2340 tokens), rows in 8
//! parts and heads in 3: fp32 peaks at 951 MiB instead of 1093 and int8 at 394 instead of 652, with a pass 2 and 3 %
//! shorter. A GPU has short operations and wants large ones, so graphs for it stay whole.

use super::layers::{concat, slice};
use crate::core::Result;
use crate::onnx::{Attr, Compute, GraphBuilder, Var};

/// Parts of the rows; more gain nothing.
const ROW_PARTS: usize = 8;
/// Most heads of one attention. More parts than this makes cost 2 % of a short pass, each.
const HEADS_AT_ONCE: usize = 4;

/// How the rows of a graph are cut.
pub(super) struct RowParts {
    /// Rows of each part, `[ROW_PARTS]`; some are 0 where there are fewer rows than parts.
    sizes: Option<Var>,
}

impl RowParts {
    /// For the rows of `x`, `[S, _]`: parts that differ by a row at most.
    pub(super) fn of(g: &mut GraphBuilder<'_>, x: &Var) -> Self {
        if g.part_compute() != Compute::Fp32 {
            return Self { sizes: None };
        }
        let rows = g.op("Shape", &[x], &[]);
        let rows = slice(g, &rows, 0, 1, 0);
        // floor((S + i) / n) for i in 0..n sums to S
        let index = g.ints(&(0..ROW_PARTS as i64).collect::<Vec<_>>());
        let sum = g.op("Add", &[&rows, &index], &[]);
        let parts = g.ints(&[ROW_PARTS as i64]);
        Self { sizes: Some(g.op("Div", &[&sum, &parts], &[])) }
    }

    /// `apply` on the rows of `x`, one part after the other.
    pub(super) fn each(
        &self,
        g: &mut GraphBuilder<'_>,
        x: &Var,
        apply: impl Fn(&mut GraphBuilder<'_>, &Var) -> Result<Var>,
    ) -> Result<Var> {
        let Some(sizes) = &self.sizes else { return apply(g, x) };
        let parts = g.op_many("Split", &[x, sizes], ROW_PARTS, &[("axis", Attr::Int(0))]);
        let done = parts.iter().map(|rows| apply(g, rows)).collect::<Result<Vec<_>>>()?;
        Ok(concat(g, &done.iter().collect::<Vec<_>>(), 0))
    }
}

/// Attention of `heads` heads, a few at once; queries, keys and values are `[1, rows, width]`.
pub(super) fn attention(g: &mut GraphBuilder<'_>, [q, k, v]: [&Var; 3], heads: usize) -> Var {
    let at_once = heads_at_once(heads);
    let of = |count: usize| [("num_heads", Attr::Int(count as i64))];
    if g.part_compute() != Compute::Fp32 || at_once == heads {
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
