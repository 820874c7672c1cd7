//! Adapters (LoRAs): weight deltas from another file, applied in the graph with a strength that is an input.
//!
//! Changing a strength needs no new session. Low-rank deltas stay low-rank: each is a branch beside its matrix,
//! `y + strength * scale * (x down^T) up^T`.
//!
//! Measured on two cores (width 1536, 4 layers, 2340 tokens, rank 64 on every linear layer of the blocks): branches
//! cost 10 % of a forward pass and 48 MiB. Adding the delta to the weight in the graph costs 25 % and 1.4 GiB. Letting
//! ONNX Runtime fold it into the weight costs nothing in a pass, but loading takes as long as four passes more and
//! 1.8 GiB, and a change of strength needs a new session. The relative cost of branches falls with the width.

use std::collections::BTreeMap;

use super::builder::{Attr, GraphBuilder, Var};
use super::spec::{Dtype, ValueSpec};
use super::weights::Weights;
use crate::core::{Error, Kind, Result};

/// A delta of one parameter. Names are those of tensors in the adapter's file.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightDelta {
    /// `scale * up down`, added to a weight `[outputs, inputs]`.
    LowRank {
        /// Name of the tensor `[rank, inputs]`.
        down: String,
        /// Name of the tensor `[outputs, rank]`.
        up: String,
        /// Rank.
        rank: usize,
        /// Factor in addition to the strength (alpha / rank).
        scale: f32,
    },
    /// Name of a tensor with as many elements as the parameter.
    Full(String),
}

/// The deltas of one file with a common strength.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Name of the graph input for the strength, `[1]`.
    pub strength: String,
    /// The tensors of the file.
    pub weights: Weights,
    /// Deltas by the name of the parameter in the component.
    pub deltas: BTreeMap<String, Vec<WeightDelta>>,
}

/// An adapter of a graph under construction.
#[derive(Clone)]
pub(super) struct ActiveAdapter<'w> {
    adapter: &'w Adapter,
    /// The graph input for its strength.
    strength: Var,
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

    /// The matrix `name` in the current compute type with its full deltas; low-rank ones are added to the product by
    /// [`Self::add_branches`].
    pub fn matrix(&mut self, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = self.base_weight(name, shape)?;
        for (active, delta) in self.deltas(name) {
            if let WeightDelta::Full(tensor) = delta {
                sum = self.add_full(&sum, &active, tensor, shape)?;
            }
        }
        Ok(sum)
    }

    /// Whether any adapter has a delta of the parameter `name`.
    pub fn has_delta(&self, name: &str) -> bool {
        self.adapters.iter().any(|active| active.adapter.deltas.contains_key(name))
    }

    /// `y` plus the products of `x` with the low-rank deltas of the matrix `name`, `[outputs, inputs]`.
    pub fn add_branches(
        &mut self,
        x: &Var,
        y: Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Var> {
        let mut sum = y;
        for (active, delta) in self.deltas(name) {
            let WeightDelta::LowRank { down, up, rank, scale } = delta else {
                if let WeightDelta::Full(tensor) = delta
                    && self.weights().quantisation_of(name).is_some()
                {
                    // nothing can be added to a quantised matrix, so a full delta is a branch too
                    let delta = self.adapter_tensor(active.adapter, tensor, &[outputs, inputs])?;
                    let branch = self.op("Gemm", &[x, &delta], &[("transB", Attr::Int(1))]);
                    let strength = self.as_current(&active.strength, Dtype::F32);
                    let branch = self.op("Mul", &[&branch, &strength], &[]);
                    sum = self.op("Add", &[&sum, &branch], &[]);
                }
                continue;
            };
            let down = self.adapter_tensor(active.adapter, down, &[*rank, inputs])?;
            let up = self.adapter_tensor(active.adapter, up, &[outputs, *rank])?;
            let attrs = [("transB", Attr::Int(1)), ("alpha", Attr::Float(*scale))];
            let inner = self.op("Gemm", &[x, &down], &attrs);
            let strength = self.as_current(&active.strength, Dtype::F32);
            let inner = self.op("Mul", &[&inner, &strength], &[]);
            sum = self.op("Gemm", &[&inner, &up, &sum], &[("transB", Attr::Int(1))]);
        }
        Ok(sum)
    }

    /// `weight`, which is the parameter `name`, plus all its deltas.
    pub(super) fn with_deltas(&mut self, weight: Var, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = weight;
        for (active, delta) in self.deltas(name) {
            sum = match delta {
                WeightDelta::Full(tensor) => self.add_full(&sum, &active, tensor, shape)?,
                WeightDelta::LowRank { down, up, rank, scale } => {
                    let outputs = shape.first().copied().unwrap_or(1);
                    let inputs = shape.iter().skip(1).product();
                    let down = self.adapter_tensor(active.adapter, down, &[*rank, inputs])?;
                    let up = self.adapter_tensor(active.adapter, up, &[outputs, *rank])?;
                    let delta = self.op("Gemm", &[&up, &down], &[("alpha", Attr::Float(*scale))]);
                    let dims = self.ints(&shape.iter().map(|&dim| dim as i64).collect::<Vec<_>>());
                    let delta = self.op("Reshape", &[&delta, &dims], &[]);
                    let strength = self.as_current(&active.strength, Dtype::F32);
                    let delta = self.op("Mul", &[&delta, &strength], &[]);
                    self.op("Add", &[&sum, &delta], &[])
                }
            };
        }
        Ok(sum)
    }

    /// `sum` plus the delta `tensor` of `active`, times its strength.
    fn add_full(
        &mut self,
        sum: &Var,
        active: &ActiveAdapter<'w>,
        tensor: &str,
        shape: &[usize],
    ) -> Result<Var> {
        let delta = self.adapter_tensor(active.adapter, tensor, shape)?;
        let strength = self.as_current(&active.strength, Dtype::F32);
        let delta = self.op("Mul", &[&delta, &strength], &[]);
        Ok(self.op("Add", &[sum, &delta], &[]))
    }

    fn adapter_tensor(&mut self, adapter: &'w Adapter, name: &str, dims: &[usize]) -> Result<Var> {
        let unique = format!("{}/{name}", adapter.strength);
        let raw = self.raw_tensor(&adapter.weights, name, &unique, dims)?;
        let dtype = adapter.weights.get(name)?.dtype;
        Ok(self.as_current(&raw, dtype))
    }

    /// The deltas of the parameter `name`, each with its adapter.
    fn deltas(&self, name: &str) -> Vec<(ActiveAdapter<'w>, &'w WeightDelta)> {
        let of = |active: &ActiveAdapter<'w>| {
            let active = active.clone();
            let deltas = active.adapter.deltas.get(name).into_iter().flatten();
            deltas.map(move |delta| (active.clone(), delta))
        };
        self.adapters.iter().flat_map(of).collect()
    }
}
