//! What a graph is built for.

use super::builder::GraphBuilder;
use super::compute_type::ComputeType;
use super::spec::Dtype;
use crate::core::Provider;

/// What runs a graph, which decides its form, and what it computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphTarget {
    /// The execution provider.
    pub provider: Provider,
    /// The type of its large products.
    pub compute: ComputeType,
}

/// The CPU.
impl From<ComputeType> for GraphTarget {
    fn from(compute: ComputeType) -> Self {
        Self { provider: Provider::Cpu, compute }
    }
}

/// Which operations of others than ONNX a graph may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operators {
    /// Those of ONNX Runtime, which are faster in its own providers.
    OnnxRuntime,
    /// Of ONNX Runtime's own only attention, for providers that compile a graph: `TensorRT`'s parser refuses the fused
    /// activations, and scales that are not constants.
    Plain,
}

impl Operators {
    /// The operators of graphs for `provider`.
    pub fn of(provider: Provider) -> Self {
        match provider {
            Provider::Cpu | Provider::Cuda | Provider::WebGpu => Self::OnnxRuntime,
            Provider::TensorRt | Provider::Rtx | Provider::OpenVino => Self::Plain,
        }
    }
}

impl GraphBuilder<'_> {
    /// Sets what the graph is built for. Must be called before any operation.
    #[must_use]
    pub fn for_target(mut self, target: GraphTarget) -> Self {
        self.provider = target.provider;
        self.with_compute(target.compute)
    }

    /// The operations that the graph may use.
    pub fn operators(&self) -> Operators {
        Operators::of(self.provider)
    }

    /// Whether the graph adds and normalises in one operation, which only CUDA does faster than in several: it passes over
    /// its memory for each operation, and computes such a sum with 640 threads a row, where a norm alone has 64.
    pub fn fuses_norms(&self) -> bool {
        self.provider == Provider::Cuda
    }

    /// The type of values that a graph returns for its next call and nobody reads: CUDA passes over its memory for each
    /// conversion.
    pub fn cache_type(&self) -> Dtype {
        if self.provider == Provider::Cuda { self.section_compute().dtype() } else { Dtype::F32 }
    }

    /// Whether the CPU provider runs the graph.
    pub fn is_for_cpu(&self) -> bool {
        self.provider == Provider::Cpu
    }
}
