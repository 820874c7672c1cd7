//! Rotary position embedding of queries and keys: each pair of values of a head is turned by an angle of its token.

use super::layers::{concat, reshape, unsqueeze};
use crate::onnx::{Attr, Dtype, GraphBuilder, Var};

/// How a graph turns the pairs.
pub(super) enum Rotary {
    /// With ONNX Runtime's own operation, on the CPU.
    Fused {
        /// Position of the first token, `[1]`.
        position: Var,
        /// Cosines and sines, `[S, head/2]`.
        tables: [Var; 2],
    },
    /// `[x cos, x sin]` times `[1, T]`, where `T` swaps the two values of each pair and negates one: two operations, so
    /// that CUDA passes over its memory least.
    ///
    /// ONNX Runtime's own operation takes 14 ms on an H200 for 32760 tokens of 40 heads in fp32, where reading and
    /// writing them once would take 0.3 ms; the two of a transformer block were more than a quarter of its time.
    ///
    /// It is computed in the compute type. In bf16, six blocks with random weights are as far from fp32 as with fp32 tables
    /// where attention is flat, and 11 % farther where it is sharp (`benches/gpu/rounding.py`).
    Stacked {
        /// `[1, T]`, `[2 head, head]`.
        turn: Var,
        /// Cosines and sines of both values of each pair, `[S, 1, 2, head]`.
        table: Var,
        /// Size of a head.
        head: usize,
    },
    /// `x cos + (x T) sin` in fp32, with the product in the compute type, in which it is exact.
    Product {
        /// `T`, `[head, head]`.
        turn: Var,
        /// Cosines and sines of both values of each pair, `[S, 1, head]`.
        tables: [Var; 2],
        /// Size of a head.
        head: usize,
    },
}

impl Rotary {
    /// From `position` `[1]` and the `tables` of cosines and sines, `[S, head/2]` in fp32.
    pub(super) fn new(g: &mut GraphBuilder<'_>, position: Var, tables: [Var; 2], head: usize) -> Self {
        if g.is_for_cpu() {
            return Self::Fused { position, tables };
        }
        let compute = g.section_compute().dtype();
        let of_pairs = |g: &mut GraphBuilder<'_>, table: &Var| {
            let column = unsqueeze(g, table, 2);
            let both = concat(g, &[&column, &column], 2);
            reshape(g, &both, &[-1, 1, head as i64])
        };
        if g.fuses_norms() {
            let turn = [identity(head), turn(head)].concat();
            let turn = g.floats(&turn, &[2 * head, head]);
            let turn = g.converted(&turn, [Dtype::F32, compute]);
            let tables = tables.map(|table| {
                let table = g.narrow(&table);
                of_pairs(g, &table)
            });
            let table = concat(g, &[&tables[0], &tables[1]], 1);
            let table = unsqueeze(g, &table, 1);
            return Self::Stacked { turn, table, head };
        }
        let turn = g.floats(&turn(head), &[head, head]);
        let turn = g.converted(&turn, [Dtype::F32, compute]);
        Self::Product { turn, tables: tables.each_ref().map(|table| of_pairs(g, table)), head }
    }

    /// Turns queries or keys, `[1, S, width]` in the compute type.
    pub(super) fn apply(&self, g: &mut GraphBuilder<'_>, x: &Var, width: usize) -> Var {
        match self {
            Self::Fused { position, tables: [cos, sin] } => {
                let x = g.widen(x);
                let x =
                    g.contrib("RotaryEmbedding", &[&x, position, cos, sin], &[("interleaved", Attr::Int(1))]);
                g.narrow(&x)
            }
            Self::Stacked { turn, table, head } => {
                let (heads, head) = ((width / head) as i64, *head as i64);
                let x = reshape(g, x, &[-1, heads, 1, head]);
                let both = g.op("Mul", &[&x, table], &[]);
                let both = reshape(g, &both, &[-1, 2 * head]);
                let turned = g.op("MatMul", &[&both, turn], &[]);
                reshape(g, &turned, &[1, -1, width as i64])
            }
            Self::Product { turn, tables: [cos, sin], head } => {
                let heads = reshape(g, x, &[-1, (width / head) as i64, *head as i64]);
                let turned = g.op("MatMul", &[&heads, turn], &[]);
                let (heads, turned) = (g.widen(&heads), g.widen(&turned));
                let (heads, turned) = (g.op("Mul", &[&heads, cos], &[]), g.op("Mul", &[&turned, sin], &[]));
                let sum = g.op("Add", &[&heads, &turned], &[]);
                let sum = g.narrow(&sum);
                reshape(g, &sum, &[1, -1, width as i64])
            }
        }
    }
}

/// The matrix that swaps the two values of each pair and negates the first of the result.
fn turn(head: usize) -> Vec<f32> {
    let mut turn = vec![0.0; head * head];
    for even in (0..head).step_by(2) {
        turn[(even + 1) * head + even] = -1.0;
        turn[even * head + even + 1] = 1.0;
    }
    turn
}

fn identity(size: usize) -> Vec<f32> {
    (0..size * size).map(|index| f32::from(u8::from(index % (size + 1) == 0))).collect()
}
