//! The memory plan of a run, made from the estimate of its stages.

use super::facts::PreflightFacts;
use super::report::StageMemory;
use super::size::ModelSize;
use super::{device, memory};
use crate::core::{Bytes, Provider, Stage};
use crate::engine::Prepack;
use crate::pipeline::{ComponentId, ComponentNeeds, Footprint, MemoryNeeds, MemoryPlan};

/// What one stage takes, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StageCost {
    pub(super) stage: Stage,
    /// Weights of its network in the type that computes.
    pub(super) weights: Bytes,
    /// The largest memory during it.
    pub(super) peak: Bytes,
    /// The part of it that are pages of files, which the system can drop.
    pub(super) droppable: Bytes,
    /// What its session takes while it stays loaded and does not compute.
    pub(super) kept: Bytes,
}

/// Decides what a run packs and keeps loaded.
pub fn memory_plan(facts: &PreflightFacts<'_>) -> MemoryPlan {
    let [packed, in_place] = costs(facts);
    plan(facts, &packed, &in_place)
}

/// Memory of every stage of a run under its plan, beside the sessions that stay loaded; of the GPU, if one computes.
pub(super) fn stages(facts: &PreflightFacts<'_>) -> Vec<StageMemory> {
    let [packed, in_place] = costs(facts);
    let plan = plan(facts, &packed, &in_place);
    let stage = |(packed, in_place): (&StageCost, &StageCost)| {
        let component = component(packed.stage, facts.model);
        let prepack = component.map_or(Prepack::Packed, |component| plan.of(component).prepack);
        let StageCost { stage, peak, droppable, .. } =
            if prepack == Prepack::InPlace { *in_place } else { *packed };
        StageMemory { stage, peak: Bytes(peak.0 + plan.kept_beside(component).0), droppable }
    };
    packed.iter().zip(&in_place).map(stage).collect()
}

/// Every stage with its weights packed, and every stage with them in place. On a GPU, with all weights loaded, and with
/// those of the transformers streamed.
fn costs(facts: &PreflightFacts<'_>) -> [Vec<StageCost>; 2] {
    match (facts.provider, facts.device) {
        (provider, _) if provider.uses_host_memory() => {
            [false, true].map(|in_place| memory::costs(facts, in_place))
        }
        (_, Some(device)) => {
            let can_stream = facts.provider == Provider::Cuda;
            [false, can_stream].map(|streamed| device::costs(facts, device, streamed))
        }
        (_, None) => [Vec::new(), Vec::new()],
    }
}

fn plan(facts: &PreflightFacts<'_>, packed: &[StageCost], in_place: &[StageCost]) -> MemoryPlan {
    let PreflightFacts { request, model, .. } = facts;
    let mut components: Vec<ComponentNeeds> = Vec::new();
    let mut other = Bytes(0);
    for (packed, in_place) in packed.iter().zip(in_place) {
        let Some(component) = component(packed.stage, model) else {
            other = other.max(packed.peak);
            continue;
        };
        match components.iter_mut().find(|known| known.component == component) {
            Some(known) => {
                known.num_stages += 1;
                known.packed = larger(known.packed, footprint(packed));
                known.in_place = larger(known.in_place, footprint(in_place));
                known.weights = known.weights.max(packed.weights);
            }
            None => components.push(ComponentNeeds {
                component,
                weights: packed.weights,
                num_stages: 1,
                packed: footprint(packed),
                in_place: footprint(in_place),
            }),
        }
    }
    MemoryPlan::choose(&MemoryNeeds {
        provider: facts.provider,
        available: if facts.provider.uses_host_memory() {
            facts.free_memory
        } else {
            facts.device.map(|device| device.free.unwrap_or(device.total))
        },
        weights: request.weights,
        quantisation: model.quantisation,
        components,
        other,
        vae: memory::vae_split(facts),
        keeps_sessions: facts.keeps_sessions,
    })
}

/// The component that a stage uses, if it uses one.
fn component(stage: Stage, model: &ModelSize) -> Option<ComponentId> {
    let has_low_noise_expert = match &model.exported {
        None => model.transformers.len() > 1,
        Some(networks) => networks.iter().any(|(stage, _)| *stage == Stage::DenoiseLow),
    };
    Some(match stage {
        Stage::Text => ComponentId::TextEncoder,
        Stage::Image => ComponentId::VaeEncoder,
        Stage::DenoiseLow if has_low_noise_expert => ComponentId::Transformer2,
        Stage::DenoiseHigh | Stage::DenoiseLow => ComponentId::Transformer,
        Stage::Decode => ComponentId::VaeDecoder,
        Stage::Preflight | Stage::Prepare | Stage::PostProcess => return None,
    })
}

fn footprint(cost: &StageCost) -> Footprint {
    Footprint { needed: Bytes(cost.peak.0 - cost.droppable.0.min(cost.peak.0)), kept: cost.kept }
}

fn larger(a: Footprint, b: Footprint) -> Footprint {
    Footprint { needed: a.needed.max(b.needed), kept: a.kept.max(b.kept) }
}
