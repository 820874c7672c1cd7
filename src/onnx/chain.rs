//! Graphs cut into parts that run one after the other, so that the weights of a few blocks suffice at any time.

use std::fmt::Write as _;
use std::path::Path;

use super::file_identity::identities;
use super::proto::{GraphProto, TensorProto};
use super::spec::{Dim, Dtype, FileRange, Graph, ValueSpec};
use crate::core::Bytes;

/// A graph in parts. Each takes, by name, what the caller gives and what [`Self::first`] returns.
#[derive(Clone, Debug)]
pub struct GraphChain {
    /// The part before the blocks. Its weights stay loaded.
    pub first: Graph,
    /// The blocks, in order: each replaces the value [`Self::CHAINED`] by its only output.
    pub blocks: Vec<StreamedBlock>,
    /// The part behind the blocks. Its weights stay loaded.
    pub last: Graph,
}

/// A part whose weights are inputs.
#[derive(Clone, Debug)]
pub struct StreamedBlock {
    /// The graph. Blocks that differ only in their weights have equal graphs.
    pub graph: Graph,
    /// Its weights, in the order of the graph's inputs.
    pub weights: Vec<WeightInput>,
}

/// A weight that a graph takes as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightInput {
    /// Name of the input.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Shape.
    pub dims: Vec<usize>,
    /// Where its elements are.
    pub source: FileRange,
}

impl GraphChain {
    /// Name of the value that goes through the blocks.
    pub const CHAINED: &str = "hidden";

    /// Every graph.
    pub fn graphs(&self) -> impl Iterator<Item = &Graph> {
        [&self.first, &self.last].into_iter().chain(self.blocks.iter().map(|block| &block.graph))
    }

    /// The files that hold its weights, with their identity now and what the blocks read of them.
    pub fn weights_identity(&self) -> String {
        let weights = self.blocks.iter().flat_map(|block| &block.weights);
        let mut identity = identities(weights.clone().map(|weight| weight.source.path.clone()));
        identity += &self.first.weights_identity();
        identity += &self.last.weights_identity();
        for weight in weights {
            writeln!(identity, "{} {:?}", weight.name, weight.source).ok();
        }
        identity
    }
}

impl StreamedBlock {
    /// Bytes of its weights.
    pub fn weight_bytes(&self) -> Bytes {
        Bytes(self.weights.iter().map(|weight| weight.source.bytes.end - weight.source.bytes.start).sum())
    }
}

impl Graph {
    /// The same graph with its weights as inputs. `part` of their names, for instance "blocks.7.", becomes `common`, so
    /// that the graphs of equal parts are equal.
    #[must_use]
    pub fn with_streamed_weights(mut self, part: &str, common: &str) -> StreamedBlock {
        let mut weights = Vec::new();
        let root = self.weights_root.clone();
        if let Some(graph) = &mut self.model.graph {
            let mut taken = take_weights(graph);
            for node in &mut graph.node {
                for attribute in &mut node.attribute {
                    taken.extend(attribute.g.as_mut().map(take_weights).unwrap_or_default());
                }
            }
            rename(graph, part, common);
            for tensor in taken {
                let Some(weight) = weight_input(&tensor, &root, part, common) else { continue };
                let dims = weight.dims.iter().map(|&dim| Dim::Fixed(dim));
                let spec = ValueSpec::new(&weight.name, weight.dtype, dims);
                graph.input.push(spec.proto());
                self.spec.inputs.push(spec);
                weights.push(weight);
            }
        }
        StreamedBlock { graph: self, weights }
    }
}

/// Removes the initializers whose data is in files.
fn take_weights(graph: &mut GraphProto) -> Vec<TensorProto> {
    let (external, inline) =
        std::mem::take(&mut graph.initializer).into_iter().partition(|one| !one.external_data.is_empty());
    graph.initializer = inline;
    external
}

/// Renames the values that `graph` and the bodies of its loops read.
fn rename(graph: &mut GraphProto, part: &str, common: &str) {
    for node in &mut graph.node {
        for input in &mut node.input {
            *input = input.replace(part, common);
        }
        node.attribute
            .iter_mut()
            .filter_map(|one| one.g.as_mut())
            .for_each(|body| rename(body, part, common));
    }
}

fn weight_input(tensor: &TensorProto, root: &Path, part: &str, common: &str) -> Option<WeightInput> {
    let number = |key| tensor.external(key)?.parse::<u64>().ok();
    let (start, length) = (number("offset")?, number("length")?);
    Some(WeightInput {
        name: tensor.name.as_deref()?.replace(part, common),
        dtype: Dtype::from_number(tensor.data_type?.into())?,
        dims: tensor.dims.iter().map(|&dim| dim.unsigned_abs() as usize).collect(),
        source: FileRange { path: root.join(tensor.external("location")?), bytes: start..start + length },
    })
}
