//! How the components of a run share the memory of a GPU.

use super::facts::PreflightFacts;
use super::{fixes, memory_plan};
use crate::core::Bytes;
use crate::engine::Prepack;
use crate::pipeline::{ComponentId, Residency};

/// The components of which a job may find the session of an earlier one.
const LASTING: [ComponentId; 4] =
    [ComponentId::Transformer, ComponentId::Transformer2, ComponentId::TextEncoder, ComponentId::VaeDecoder];

/// How a run fits into the memory of a GPU: which weights it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceFit {
    /// Those of all components, from one job to the next.
    Resident,
    /// Those of a component while it computes.
    OneAtATime,
    /// Of these components, two blocks at a time; of the others, all while they compute.
    Streamed(Vec<ComponentId>),
    /// The run needs more memory than is free.
    TooLarge,
}

/// Which weights the GPU holds during a run, and the most memory that the run takes, margin included; `None` if the memory
/// is unknown.
pub fn device_fit(facts: &PreflightFacts<'_>) -> Option<(DeviceFit, Bytes)> {
    let device = facts.device?;
    let plan = memory_plan::memory_plan(facts);
    let (peak, _) = fixes::peaks(facts);
    let used: Vec<_> = LASTING.into_iter().filter(|one| plan.of(*one).weights > Bytes(0)).collect();
    let streamed: Vec<_> =
        used.iter().copied().filter(|one| plan.of(*one).prepack == Prepack::Streamed).collect();
    let fit = if peak > device.free.unwrap_or(device.total) {
        DeviceFit::TooLarge
    } else if !streamed.is_empty() {
        DeviceFit::Streamed(streamed)
    } else if used.iter().all(|one| plan.of(*one).residency == Residency::BetweenJobs) {
        DeviceFit::Resident
    } else {
        DeviceFit::OneAtATime
    };
    Some((fit, peak))
}
