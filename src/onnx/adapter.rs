//! Adapters (LoRAs): weight deltas from another file, applied in the graph with a strength that is an input.
//!
//! Changing a strength needs no new session. Low-rank deltas stay low-rank: each is a branch beside its matrix,
//! `y + strength * scale * (x down^T) up^T`. The same holds for Kronecker products and for element-wise products of low
//! rank. What has no such form is added to the weight, or multiplied by `x` beside a quantised one.
//!
//! Measured on two cores (width 1536, 4 layers, 2340 tokens, rank 64 on every linear layer of the blocks): branches
//! cost 10 % of a forward pass and 48 MiB. Adding the delta to the weight in the graph costs 25 % and 1.4 GiB. Letting
//! ONNX Runtime fold it into the weight costs nothing in a pass, but loading takes as long as four passes more and
//! 1.8 GiB, and a change of strength needs a new session. The relative cost of branches falls with the width.

use std::collections::BTreeMap;

use super::builder::{Attr, GraphBuilder, Var};
use super::spec::{Dtype, ValueSpec};
use super::weight_delta::{LowRankPair, MagnitudeRatios, WeightDelta};
use super::weights::Weights;
use crate::core::{Error, Kind, Result};

/// The deltas of one file with a common strength.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Name of the graph input for the strength, `[1]`.
    pub strength: String,
    /// The tensors of the file.
    pub weights: Weights,
    /// Deltas by the name of the parameter in the component.
    pub deltas: BTreeMap<String, Vec<WeightDelta>>,
    /// Ratios of a DoRA by the name of the matrix in the component.
    pub magnitudes: BTreeMap<String, MagnitudeRatios>,
}

/// An adapter of a graph under construction.
#[derive(Clone)]
pub(super) struct ActiveAdapter<'w> {
    pub(super) adapter: &'w Adapter,
    /// The graph input for its strength.
    pub(super) strength: Var,
}

impl<'w> GraphBuilder<'w> {
    /// Applies `adapters` to the weights; each adds an input for its strength. Must be called before any operation.
    ///
    /// Fails with [`Kind::Unsupported`] if a file of an adapter is on another drive than the model.
    pub fn with_adapters(mut self, adapters: &'w [Adapter]) -> Result<Self> {
        for adapter in adapters {
            let root = adapter.weights.root();
            while !root.starts_with(&self.root) {
                if !self.root.pop() {
                    return Err(Error::new(
                        Kind::Unsupported,
                        format!("The LoRA and the model are on different drives: {}", root.display()),
                    )
                    .remedy("Move the LoRA to the model's drive")
                    .field("lora"));
                }
            }
            let strength = self.input(ValueSpec::new(&adapter.strength, Dtype::F32, [1.into()]));
            self.adapters.push(ActiveAdapter { adapter, strength });
        }
        Ok(self)
    }

    /// The matrix `name` in the current compute type with the deltas that are added to it; the others are added to the
    /// product by [`Self::add_branches`].
    pub fn matrix(&mut self, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = self.base_weight(name, shape)?;
        let &[outputs, inputs] = shape else { return Ok(sum) };
        for (active, delta) in self.deltas(name) {
            if !self.is_branch(name, delta, [outputs, inputs]) {
                let delta = self.whole_delta(&active, delta, shape)?;
                sum = self.op("Add", &[&sum, &delta], &[]);
            }
        }
        Ok(sum)
    }

    /// Whether any adapter has a delta of the parameter `name`.
    pub fn has_delta(&self, name: &str) -> bool {
        let has =
            |adapter: &Adapter| adapter.deltas.contains_key(name) || adapter.magnitudes.contains_key(name);
        self.adapters.iter().any(|active| has(active.adapter))
    }

    /// `weight`, which is the parameter `name`, plus all its deltas.
    pub(super) fn with_deltas(&mut self, weight: Var, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = weight;
        for (active, delta) in self.deltas(name) {
            let delta = self.whole_delta(&active, delta, shape)?;
            sum = self.op("Add", &[&sum, &delta], &[]);
        }
        Ok(sum)
    }

    /// The delta times its strength, of the parameter's shape.
    ///
    /// It is computed in every pass, one layer at a time: folded into constants, a model's deltas would fill the memory.
    pub(super) fn whole_delta(
        &mut self,
        active: &ActiveAdapter<'w>,
        delta: &'w WeightDelta,
        shape: &[usize],
    ) -> Result<Var> {
        let outputs = shape.first().copied().unwrap_or(1);
        let inputs = shape.iter().skip(1).product();
        let strength = self.as_current(&active.strength, Dtype::F32);
        let dims = self.ints(&shape.iter().map(|&dim| dim as i64).collect::<Vec<_>>());
        let reshaped = |g: &mut Self, delta: &Var| {
            let delta = g.op("Reshape", &[delta, &dims], &[]);
            g.op("Mul", &[&delta, &strength], &[])
        };
        Ok(match delta {
            WeightDelta::Full(tensor) => {
                let delta = self.adapter_tensor(active.adapter, tensor, shape)?;
                self.op("Mul", &[&delta, &strength], &[])
            }
            WeightDelta::Values(values) => {
                let delta = self.floats(values, shape);
                let delta = self.as_current(&delta, Dtype::F32);
                self.op("Mul", &[&delta, &strength], &[])
            }
            WeightDelta::LowRank { down, up, rank, scale } => {
                let down = self.adapter_tensor(active.adapter, down, &[*rank, inputs])?;
                let up = self.adapter_tensor(active.adapter, up, &[outputs, *rank])?;
                let delta = self.op("Gemm", &[&up, &down], &[("alpha", Attr::Float(*scale))]);
                reshaped(self, &delta)
            }
            WeightDelta::Hadamard { pairs, scale } => {
                let products =
                    pairs.each_ref().map(|pair| self.unfolded_product(active, pair, [outputs, inputs]));
                let [first, second] = products;
                let delta = self.op("Mul", &[&first?, &second?], &[]);
                let scale = self.scalar(*scale);
                let delta = self.op("Mul", &[&delta, &scale], &[]);
                reshaped(self, &delta)
            }
            WeightDelta::Kronecker { .. } => {
                return Err(Error::new(Kind::Bug, "A Kronecker product is a branch of a matrix"));
            }
        })
    }

    /// The product of a pair, which ONNX Runtime computes in every pass instead of keeping it.
    fn unfolded_product(
        &mut self,
        active: &ActiveAdapter<'w>,
        pair: &'w LowRankPair,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Var> {
        let up = self.adapter_tensor(active.adapter, &pair.up, &[outputs, pair.rank])?;
        let down = self.adapter_tensor(active.adapter, &pair.down, &[pair.rank, inputs])?;
        // 1 whatever the strength is, and no constant
        let strength = self.as_current(&active.strength, Dtype::F32);
        let zero = self.op("Sub", &[&strength, &strength], &[]);
        let one = self.scalar(1.0);
        let one = self.op("Add", &[&zero, &one], &[]);
        let up = self.op("Mul", &[&up, &one], &[]);
        Ok(self.op("MatMul", &[&up, &down], &[]))
    }

    pub(super) fn adapter_tensor(&mut self, adapter: &'w Adapter, name: &str, dims: &[usize]) -> Result<Var> {
        let unique = format!("{}/{name}", adapter.strength);
        let raw = self.raw_tensor(&adapter.weights, name, &unique, dims)?;
        let dtype = adapter.weights.get(name)?.dtype;
        Ok(self.as_current(&raw, dtype))
    }

    /// The deltas of the parameter `name`, each with its adapter.
    pub(super) fn deltas(&self, name: &str) -> Vec<(ActiveAdapter<'w>, &'w WeightDelta)> {
        let of = |active: &ActiveAdapter<'w>| {
            let active = active.clone();
            let deltas = active.adapter.deltas.get(name).into_iter().flatten();
            deltas.map(move |delta| (active.clone(), delta))
        };
        self.adapters.iter().flat_map(of).collect()
    }
}
