//! What a graph is built for.

use super::builder::GraphBuilder;
use super::compute_type::ComputeType;
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

impl GraphBuilder<'_> {
    /// Sets what the graph is built for. Must be called before any operation.
    #[must_use]
    pub fn for_target(mut self, target: GraphTarget) -> Self {
        self.provider = target.provider;
        self.with_compute(target.compute)
    }

    /// Whether the CPU runs the graph.
    pub fn is_for_cpu(&self) -> bool {
        self.provider == Provider::Cpu
    }
}
