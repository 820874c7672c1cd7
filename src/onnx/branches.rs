//! Branches of adapters: deltas that are multiplied by the input of a matrix, beside the matrix.

use super::adapter::{ActiveAdapter, Adapter};
use super::builder::{Attr, GraphBuilder, Var};
use super::spec::Dtype;
use super::weight_delta::{
    FactorMatrix, FactorSource, LowRankPair, MagnitudeAxis, MagnitudeRatios, WeightDelta,
};
use crate::core::Result;

impl<'w> GraphBuilder<'w> {
    /// Whether a delta of the matrix `name` is a branch. What has no low-rank form is one only where the matrix cannot
    /// be changed, because it is quantised, or has magnitudes.
    pub(super) fn is_branch(&self, name: &str, delta: &WeightDelta, [outputs, inputs]: [usize; 2]) -> bool {
        let is_small = match delta {
            WeightDelta::LowRank { .. } | WeightDelta::Kronecker { .. } => true,
            WeightDelta::Hadamard { pairs, .. } => is_low_rank(pairs, [outputs, inputs]),
            WeightDelta::Full(_) | WeightDelta::Values(_) => false,
        };
        is_small || self.weights().quantisation_of(name).is_some() || self.has_magnitudes(name)
    }

    /// Whether any adapter has magnitudes of the matrix `name`.
    pub fn has_magnitudes(&self, name: &str) -> bool {
        self.adapters.iter().any(|active| active.adapter.magnitudes.contains_key(name))
    }

    /// `x` times what the magnitudes of the inputs of the matrix `name` make of it; `x` itself if there are none.
    pub fn with_input_magnitudes(&mut self, x: &Var, name: &str) -> Var {
        let factor = self.magnitude_factor(name, MagnitudeAxis::Inputs);
        factor.map_or_else(|| x.clone(), |factor| self.op("Mul", &[x, &factor], &[]))
    }

    /// `y`, the product with the matrix `name` without bias, times what the magnitudes of its outputs make of it.
    pub fn with_output_magnitudes(&mut self, y: &Var, name: &str) -> Var {
        let factor = self.magnitude_factor(name, MagnitudeAxis::Outputs);
        factor.map_or_else(|| y.clone(), |factor| self.op("Mul", &[y, &factor], &[]))
    }

    /// `1 + strength * (ratio - 1)` summed over the adapters that have magnitudes on `axis`.
    fn magnitude_factor(&mut self, name: &str, axis: MagnitudeAxis) -> Option<Var> {
        let mut sum: Option<Var> = None;
        for active in self.adapters.clone() {
            let Some(ratios) = active.adapter.magnitudes.get(name).filter(|ratios| ratios.axis == axis)
            else {
                continue;
            };
            let changes: Vec<f32> = ratios.values.iter().map(|ratio| ratio - 1.0).collect();
            let changes = self.floats(&changes, &[changes.len()]);
            let changes = self.as_current(&changes, Dtype::F32);
            let strength = self.as_current(&active.strength, Dtype::F32);
            let changes = self.op("Mul", &[&changes, &strength], &[]);
            let before = sum.unwrap_or_else(|| self.scalar(1.0));
            sum = Some(self.op("Add", &[&before, &changes], &[]));
        }
        sum
    }

    /// `y` plus the products of `x` with the deltas of the matrix `name`, `[outputs, inputs]`, that are not in the matrix.
    pub fn add_branches(
        &mut self,
        x: &Var,
        y: Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Var> {
        let mut sum = y;
        for (active, delta) in self.deltas(name) {
            if !self.is_branch(name, delta, [outputs, inputs]) {
                continue;
            }
            let ratios = active.adapter.magnitudes.get(name);
            if let (WeightDelta::LowRank { down, up, rank, scale }, None) = (delta, ratios) {
                let down = self.adapter_tensor(active.adapter, down, &[*rank, inputs])?;
                let up = self.adapter_tensor(active.adapter, up, &[outputs, *rank])?;
                let inner = self.low_rank_inner(x, &active, &down, *scale);
                sum = self.op("Gemm", &[&inner, &up, &sum], &[("transB", Attr::Int(1))]);
                continue;
            }
            let x = self.times_ratios(x, ratios, MagnitudeAxis::Inputs);
            let branch = self.branch(&x, &active, delta, [outputs, inputs])?;
            let branch = self.times_ratios(&branch, ratios, MagnitudeAxis::Outputs);
            sum = self.op("Add", &[&sum, &branch], &[]);
        }
        Ok(sum)
    }

    /// `value` times the ratios, if they are on `axis`.
    fn times_ratios(&mut self, value: &Var, ratios: Option<&MagnitudeRatios>, axis: MagnitudeAxis) -> Var {
        let Some(ratios) = ratios.filter(|ratios| ratios.axis == axis) else { return value.clone() };
        let ratios = self.floats(&ratios.values, &[ratios.values.len()]);
        let ratios = self.as_current(&ratios, Dtype::F32);
        self.op("Mul", &[value, &ratios], &[])
    }

    /// `strength * x delta^T`.
    fn branch(
        &mut self,
        x: &Var,
        active: &ActiveAdapter<'w>,
        delta: &'w WeightDelta,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Var> {
        let transposed = [("transB", Attr::Int(1))];
        match delta {
            WeightDelta::LowRank { down, up, rank, scale } => {
                let down = self.adapter_tensor(active.adapter, down, &[*rank, inputs])?;
                let up = self.adapter_tensor(active.adapter, up, &[outputs, *rank])?;
                let inner = self.low_rank_inner(x, active, &down, *scale);
                Ok(self.op("Gemm", &[&inner, &up], &transposed))
            }
            WeightDelta::Kronecker { left, right, scale } => {
                self.kronecker_branch(x, active, [left, right], *scale)
            }
            WeightDelta::Hadamard { pairs, scale } if is_low_rank(pairs, [outputs, inputs]) => {
                let [up, down] = self.hadamard_factors(active, pairs, [outputs, inputs])?;
                let inner = self.low_rank_inner(x, active, &down, *scale);
                Ok(self.op("Gemm", &[&inner, &up], &transposed))
            }
            WeightDelta::Hadamard { .. } | WeightDelta::Full(_) | WeightDelta::Values(_) => {
                let delta = self.whole_delta(active, delta, &[outputs, inputs])?;
                Ok(self.op("Gemm", &[x, &delta], &transposed))
            }
        }
    }

    /// `strength * scale * x down^T`.
    fn low_rank_inner(&mut self, x: &Var, active: &ActiveAdapter<'w>, down: &Var, scale: f32) -> Var {
        let attrs = [("transB", Attr::Int(1)), ("alpha", Attr::Float(scale))];
        let inner = self.op("Gemm", &[x, down], &attrs);
        let strength = self.as_current(&active.strength, Dtype::F32);
        self.op("Mul", &[&inner, &strength], &[])
    }

    /// The product with a Kronecker product, as two products with its factors: the rows of `x` are matrices
    /// `[left inputs, right inputs]`.
    fn kronecker_branch(
        &mut self,
        x: &Var,
        active: &ActiveAdapter<'w>,
        [left, right]: [&'w FactorMatrix; 2],
        scale: f32,
    ) -> Result<Var> {
        let ([left_outputs, left_inputs], [right_outputs, right_inputs]) = (left.shape, right.shape);
        let rows = self.ints(&[-1, right_inputs as i64]);
        let x = self.op("Reshape", &[x, &rows], &[]);
        let y = self.times_transposed(&x, active.adapter, right)?;
        let matrices = self.ints(&[-1, left_inputs as i64, right_outputs as i64]);
        let y = self.op("Reshape", &[&y, &matrices], &[]);
        let left = self.factor(active.adapter, left)?;
        let strength = self.as_current(&active.strength, Dtype::F32);
        let scale = self.scalar(scale);
        let strength = self.op("Mul", &[&strength, &scale], &[]);
        let left = self.op("Mul", &[&left, &strength], &[]);
        let y = self.op("MatMul", &[&left, &y], &[]);
        let flat = self.ints(&[-1, (left_outputs * right_outputs) as i64]);
        Ok(self.op("Reshape", &[&y, &flat], &[]))
    }

    /// The matrix of a factor.
    fn factor(&mut self, adapter: &'w Adapter, factor: &'w FactorMatrix) -> Result<Var> {
        let [rows, columns] = factor.shape;
        match &factor.source {
            FactorSource::Whole(name) => self.adapter_tensor(adapter, name, &[rows, columns]),
            FactorSource::Product(pair) => {
                let up = self.adapter_tensor(adapter, &pair.up, &[rows, pair.rank])?;
                let down = self.adapter_tensor(adapter, &pair.down, &[pair.rank, columns])?;
                Ok(self.op("MatMul", &[&up, &down], &[]))
            }
        }
    }

    /// `x` times the transposed factor; a product of two stays two products if that is less work.
    fn times_transposed(&mut self, x: &Var, adapter: &'w Adapter, factor: &'w FactorMatrix) -> Result<Var> {
        let transposed = [("transB", Attr::Int(1))];
        let [rows, columns] = factor.shape;
        if let FactorSource::Product(LowRankPair { up, down, rank }) = &factor.source
            && rank * (rows + columns) < rows * columns
        {
            let down = self.adapter_tensor(adapter, down, &[*rank, columns])?;
            let up = self.adapter_tensor(adapter, up, &[rows, *rank])?;
            let inner = self.op("Gemm", &[x, &down], &transposed);
            return Ok(self.op("Gemm", &[&inner, &up], &transposed));
        }
        let factor = self.factor(adapter, factor)?;
        Ok(self.op("Gemm", &[x, &factor], &transposed))
    }

    /// The up and down factors of an element-wise product of two low-rank matrices, which is of low rank itself: its rank
    /// is the product of the ranks. ONNX Runtime computes them when it makes the session.
    fn hadamard_factors(
        &mut self,
        active: &ActiveAdapter<'w>,
        [first, second]: &'w [LowRankPair; 2],
        [outputs, inputs]: [usize; 2],
    ) -> Result<[Var; 2]> {
        let rank = first.rank * second.rank;
        let mut tensor = |name, dims: [usize; 3]| self.adapter_tensor(active.adapter, name, &dims);
        let ups =
            [tensor(&first.up, [outputs, first.rank, 1])?, tensor(&second.up, [outputs, 1, second.rank])?];
        let downs =
            [tensor(&first.down, [first.rank, 1, inputs])?, tensor(&second.down, [1, second.rank, inputs])?];
        let mut product = |[a, b]: [Var; 2], [rows, columns]: [usize; 2]| {
            let product = self.op("Mul", &[&a, &b], &[]);
            let dims = self.ints(&[rows as i64, columns as i64]);
            self.op("Reshape", &[&product, &dims], &[])
        };
        Ok([product(ups, [outputs, rank]), product(downs, [rank, inputs])])
    }
}

/// Whether the element-wise product of `pairs` has fewer elements as a low-rank product than as a matrix.
pub(super) fn is_low_rank(pairs: &[LowRankPair; 2], [outputs, inputs]: [usize; 2]) -> bool {
    pairs[0].rank * pairs[1].rank * (outputs + inputs) < outputs * inputs
}
