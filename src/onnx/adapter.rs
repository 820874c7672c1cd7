//! Changes to a component's weights that another file holds, each with a strength given at run time.
//!
//! A strength is an input of the graph, so changing it needs no new session. What is low-rank stays low-rank: a
//! matrix's change is a branch beside it, `y + strength * scale * (x down^T) up^T`.
//!
//! Measured on two cores (width 1536, 4 layers, 2340 tokens, rank 64 on every linear layer of the blocks): branches
//! cost 10 % of a pass and 48 MiB. Adding the change to the weight in the graph costs 25 % and 1.4 GiB; letting the
//! runtime fold it into the weight at load costs nothing in a pass, but four passes' worth of time at load and 1.8 GiB
//! while it loads, and a change of strength needs a new session. The share of the branches falls with the width.

use std::collections::BTreeMap;

use super::builder::{Attr, GraphBuilder, Var};
use super::spec::{Dtype, ValueSpec};
use super::weights::Weights;
use crate::core::{Error, Kind, Result};

/// One change to one parameter. Names are those of tensors in the adapter's file.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightDelta {
    /// `scale * up down`, added to a weight whose first dimension is its outputs.
    LowRank {
        /// Tensor of `rank` rows, one value for each input.
        down: String,
        /// Tensor with a row for each output, `rank` values in it.
        up: String,
        /// Rank.
        rank: usize,
        /// Factor beside the strength (alpha over rank).
        scale: f32,
    },
    /// A tensor of the parameter's own shape, or of one with as many elements.
    Full(String),
}

/// Changes from one file under one strength.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Name of the graph's input for the strength, `[1]`.
    pub strength: String,
    /// The file.
    pub weights: Weights,
    /// Changes by the name of the parameter in the component.
    pub changes: BTreeMap<String, Vec<WeightDelta>>,
}

impl<'w> GraphBuilder<'w> {
    /// Lets `adapters` change the weights; each adds an input for its strength. Call it before anything else.
    pub fn with_adapters(mut self, adapters: &'w [Adapter]) -> Result<Self> {
        for adapter in adapters {
            let root = adapter.weights.root();
            while !root.starts_with(&self.root) {
                if !self.root.pop() {
                    return Err(Error::new(
                        Kind::Unsupported,
                        format!("{} and the model are on different drives", root.display()),
                    )
                    .remedy("Put the LoRA on the drive that the model is on")
                    .field("lora"));
                }
            }
            let strength = self.input(ValueSpec::new(&adapter.strength, Dtype::F32, [1.into()]));
            self.adapters.push((adapter, strength));
        }
        Ok(self)
    }

    /// The matrix `name` in the part's type with its full changes, and without its low-rank ones: see [`Self::branches`].
    pub fn matrix(&mut self, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = self.unchanged_weight(name, shape)?;
        for (adapter, strength, change) in self.changes(name) {
            if let WeightDelta::Full(tensor) = change {
                sum = self.plus_full(&sum, (adapter, &strength), tensor, shape)?;
            }
        }
        Ok(sum)
    }

    /// Whether any adapter changes the parameter `name`.
    pub fn is_changed(&self, name: &str) -> bool {
        self.adapters.iter().any(|(adapter, _)| adapter.changes.contains_key(name))
    }

    /// `y` plus what the low-rank changes of the matrix `name` make of `x`; shape is `[outputs, inputs]`.
    pub fn branches(&mut self, x: &Var, y: Var, name: &str, [outputs, inputs]: [usize; 2]) -> Result<Var> {
        let mut sum = y;
        for (adapter, strength, change) in self.changes(name) {
            let WeightDelta::LowRank { down, up, rank, scale } = change else {
                if let WeightDelta::Full(tensor) = change
                    && self.weights().integers_of(name).is_some()
                {
                    // integers cannot be added to, so this change is a branch too
                    let change = self.adapter_tensor(adapter, tensor, &[outputs, inputs])?;
                    let part = self.op("Gemm", &[x, &change], &[("transB", Attr::Int(1))]);
                    let strength = self.in_part(&strength, Dtype::F32);
                    let part = self.op("Mul", &[&part, &strength], &[]);
                    sum = self.op("Add", &[&sum, &part], &[]);
                }
                continue;
            };
            let down = self.adapter_tensor(adapter, down, &[*rank, inputs])?;
            let up = self.adapter_tensor(adapter, up, &[outputs, *rank])?;
            let attrs = [("transB", Attr::Int(1)), ("alpha", Attr::Float(*scale))];
            let inner = self.op("Gemm", &[x, &down], &attrs);
            let strength = self.in_part(&strength, Dtype::F32);
            let inner = self.op("Mul", &[&inner, &strength], &[]);
            sum = self.op("Gemm", &[&inner, &up, &sum], &[("transB", Attr::Int(1))]);
        }
        Ok(sum)
    }

    /// `sum`, which is the parameter `name`, plus all changes to it.
    pub(super) fn changed(&mut self, sum: Var, name: &str, shape: &[usize]) -> Result<Var> {
        let mut sum = sum;
        for (adapter, strength, change) in self.changes(name) {
            sum = match change {
                WeightDelta::Full(tensor) => self.plus_full(&sum, (adapter, &strength), tensor, shape)?,
                WeightDelta::LowRank { down, up, rank, scale } => {
                    let outputs = shape.first().copied().unwrap_or(1);
                    let inputs = shape.iter().skip(1).product();
                    let down = self.adapter_tensor(adapter, down, &[*rank, inputs])?;
                    let up = self.adapter_tensor(adapter, up, &[outputs, *rank])?;
                    let change = self.op("Gemm", &[&up, &down], &[("alpha", Attr::Float(*scale))]);
                    let dims = self.ints(&shape.iter().map(|&dim| dim as i64).collect::<Vec<_>>());
                    let change = self.op("Reshape", &[&change, &dims], &[]);
                    let strength = self.in_part(&strength, Dtype::F32);
                    let change = self.op("Mul", &[&change, &strength], &[]);
                    self.op("Add", &[&sum, &change], &[])
                }
            };
        }
        Ok(sum)
    }

    fn plus_full(
        &mut self,
        sum: &Var,
        (adapter, strength): (&'w Adapter, &Var),
        tensor: &str,
        shape: &[usize],
    ) -> Result<Var> {
        let change = self.adapter_tensor(adapter, tensor, shape)?;
        let strength = self.in_part(strength, Dtype::F32);
        let change = self.op("Mul", &[&change, &strength], &[]);
        Ok(self.op("Add", &[sum, &change], &[]))
    }

    fn adapter_tensor(&mut self, adapter: &'w Adapter, name: &str, dims: &[usize]) -> Result<Var> {
        let unique = format!("{}/{name}", adapter.strength);
        let raw = self.raw_tensor(&adapter.weights, name, &unique, dims)?;
        let dtype = adapter.weights.get(name)?.dtype;
        Ok(self.in_part(&raw, dtype))
    }

    fn changes(&self, name: &str) -> Vec<(&'w Adapter, Var, &'w WeightDelta)> {
        let of = |(adapter, strength): &(&'w Adapter, Var)| {
            let (adapter, strength) = (*adapter, strength.clone());
            let changes = adapter.changes.get(name).into_iter().flatten();
            changes.map(move |change| (adapter, strength.clone(), change))
        };
        self.adapters.iter().flat_map(of).collect()
    }
}
