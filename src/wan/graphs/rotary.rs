//! Rotary position embedding of queries and keys: each pair of values of a head is turned by an angle of its token.

use super::layers::{concat, reshape, unsqueeze};
use crate::onnx::{Attr, ComputeType, Dtype, GraphBuilder, Var};

/// How a graph turns the pairs.
pub(super) enum Rotary {
    /// With ONNX Runtime's own operation, on the CPU.
    Fused {
        /// Position of the first token, `[1]`.
        position: Var,
        /// Cosines and sines, `[S, head/2]`.
        tables: [Var; 2],
    },
    /// `x cos + (x T) sin`, where `T` swaps the two values of each pair and negates one, so that its product is exact.
    ///
    /// ONNX Runtime's own operation takes 14 ms on an H200 for 32760 tokens of 40 heads in fp32, where reading and
    /// writing them once would take 0.3 ms; the two of a transformer block were more than a quarter of its time.
    ///
    /// With 16-bit compute types CUDA computes it in fp16, which halves what is read and written: normalised queries and
    /// keys are far from its limit, and its error is an eighth of that with which bf16 holds the result.
    Product {
        /// `T`, `[head, head]`.
        turn: Var,
        /// Cosines and sines of both values of each pair, `[S, 1, head]`.
        tables: [Var; 2],
        /// Size of a head.
        head: usize,
        /// The type of `tables`.
        dtype: Dtype,
    },
}

impl Rotary {
    /// From `position` `[1]` and the `tables` of cosines and sines, `[S, head/2]` in fp32.
    pub(super) fn new(g: &mut GraphBuilder<'_>, position: Var, tables: [Var; 2], head: usize) -> Self {
        if g.is_for_cpu() {
            return Self::Fused { position, tables };
        }
        let mut turn = vec![0.0; head * head];
        for even in (0..head).step_by(2) {
            turn[(even + 1) * head + even] = -1.0;
            turn[even * head + even + 1] = 1.0;
        }
        let turn = g.floats(&turn, &[head, head]);
        let is_half = g.section_compute() != ComputeType::Fp32;
        let dtype = if is_half && g.fuses_norms() { Dtype::F16 } else { Dtype::F32 };
        let exact = if is_half && dtype == Dtype::F32 { g.section_compute().dtype() } else { dtype };
        let turn = g.converted(&turn, [Dtype::F32, exact]);
        let of_pairs = |table: &Var| {
            let table = g.converted(table, [Dtype::F32, dtype]);
            let column = unsqueeze(g, &table, 2);
            let both = concat(g, &[&column, &column], 2);
            reshape(g, &both, &[-1, 1, head as i64])
        };
        Self::Product { turn, tables: tables.each_ref().map(of_pairs), head, dtype }
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
            Self::Product { turn, tables: [cos, sin], head, dtype } => {
                let compute = g.section_compute().dtype();
                let heads = reshape(g, x, &[-1, (width / head) as i64, *head as i64]);
                // the product is exact in every type
                let early = *dtype == Dtype::F16;
                let heads = if early { g.converted(&heads, [compute, *dtype]) } else { heads };
                let turned = g.op("MatMul", &[&heads, turn], &[]);
                let [heads, turned] = if early {
                    [heads, turned]
                } else {
                    [heads, turned].map(|half| g.converted(&half, [compute, *dtype]))
                };
                let (heads, turned) = (g.op("Mul", &[&heads, cos], &[]), g.op("Mul", &[&turned, sin], &[]));
                let sum = g.op("Add", &[&heads, &turned], &[]);
                let sum = g.converted(&sum, [*dtype, compute]);
                reshape(g, &sum, &[1, -1, width as i64])
            }
        }
    }
}
