//! The memory plan of a run, made from the estimate of its stages.

use super::facts::PreflightFacts;
use super::report::StageMemory;
use super::size::ModelSize;
use super::{device, memory};
use crate::core::{Bytes, Provider, Stage};
use crate::engine::Prepack;
use crate::pipeline::{Ahead, ComponentId, ComponentNeeds, Footprint, MemoryNeeds, MemoryPlan, RowPlan};

/// Weights from which a transformer's session is made while another network computes; smaller ones take far less than a
/// second.
const AHEAD_FROM: Bytes = Bytes(512 << 20);

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
    /// What its session takes while it is made, and before it computes for the first time.
    pub(super) made: Bytes,
    /// How a GPU computes rows.
    pub(super) rows: RowPlan,
}

/// A stage under each way in which the weights of its component can be loaded.
struct Choices {
    packed: StageCost,
    in_place: StageCost,
    streamed: Option<StageCost>,
}

impl Choices {
    fn of(&self, prepack: Prepack) -> StageCost {
        match prepack {
            Prepack::Packed => self.packed,
            Prepack::InPlace => self.in_place,
            Prepack::Streamed => self.streamed.unwrap_or(self.packed),
        }
    }
}

/// Decides what a run packs and keeps loaded.
pub fn memory_plan(facts: &PreflightFacts<'_>) -> MemoryPlan {
    plan(facts, &choices(facts))
}

/// Memory of every stage of a run under its plan, beside the sessions that stay loaded; of the GPU, if one computes.
pub(super) fn stages(facts: &PreflightFacts<'_>) -> Vec<StageMemory> {
    let choices = choices(facts);
    let plan = plan(facts, &choices);
    let stage = |choices: &Choices| {
        let component = component(choices.packed.stage, facts.model);
        let prepack = component.map_or(Prepack::Packed, |component| plan.of(component).prepack);
        let StageCost { stage, peak, droppable, .. } = choices.of(prepack);
        let beside = plan.kept_beside(component).0 + made_ahead(stage, facts, &plan).0;
        StageMemory { stage, peak: Bytes(peak.0 + beside), droppable }
    };
    choices.iter().map(stage).collect()
}

/// Memory of the session that is made while `stage` computes, beside those that stay loaded.
fn made_ahead(stage: Stage, facts: &PreflightFacts<'_>, plan: &MemoryPlan) -> Bytes {
    use ComponentId::{TextEncoder, Transformer, VaeEncoder};
    let [high, low] = facts.steps;
    let first = if high > 0 { Stage::DenoiseHigh } else { Stage::DenoiseLow };
    let (next, beside) = match stage {
        Stage::Text | Stage::Image => {
            (component(first, facts.model), plan.planned(&[TextEncoder, VaeEncoder]))
        }
        Stage::DenoiseHigh if low > 0 => (component(Stage::DenoiseLow, facts.model), vec![Transformer]),
        _ => return Bytes(0),
    };
    match next.map(|next| plan.ahead(next, &beside)) {
        Some(Ahead::Fits(more)) => more,
        Some(Ahead::No | Ahead::Short { .. }) | None => Bytes(0),
    }
}

/// The largest memory on the second GPU, which computes one of two guidance passes, beside the sessions that stay loaded
/// there.
pub(super) fn peak_on_second(facts: &PreflightFacts<'_>) -> Bytes {
    let choices = choices(facts);
    let plan = plan(facts, &choices);
    let stage = |choices: &Choices| {
        let guidance = match choices.packed.stage {
            Stage::DenoiseHigh => facts.request.guidance,
            Stage::DenoiseLow => facts.request.guidance_low,
            _ => return None,
        };
        let component = component(choices.packed.stage, facts.model)?;
        let cost = choices.of(plan.of(component).prepack);
        guidance.enabled().then(|| Bytes(cost.peak.0 + plan.kept_on_second_beside(component).0))
    };
    choices.iter().filter_map(stage).max().unwrap_or_default()
}

/// Every stage of a run. A GPU reads no weights in place.
fn choices(facts: &PreflightFacts<'_>) -> Vec<Choices> {
    let [packed, in_place, streamed] = match (facts.provider, facts.device) {
        (provider, _) if provider.uses_host_memory() => {
            [Prepack::Packed, Prepack::InPlace, Prepack::Streamed]
                .map(|prepack| memory::costs(facts, prepack))
        }
        (_, Some(device)) => [false, false, true].map(|streamed| device::costs(facts, device, streamed)),
        (_, None) => Default::default(),
    };
    let can_stream =
        facts.model.exported.is_none() && matches!(facts.provider, Provider::Cpu | Provider::Cuda);
    let has_blocks = |stage| matches!(stage, Stage::Text | Stage::DenoiseHigh | Stage::DenoiseLow);
    let all = packed.into_iter().zip(in_place).zip(streamed);
    let choices = all.map(|((packed, in_place), streamed)| Choices {
        packed,
        in_place,
        streamed: (can_stream && has_blocks(packed.stage)).then_some(streamed),
    });
    choices.collect()
}

fn plan(facts: &PreflightFacts<'_>, choices: &[Choices]) -> MemoryPlan {
    let PreflightFacts { request, model, .. } = facts;
    let mut components: Vec<ComponentNeeds> = Vec::new();
    let mut other = Bytes(0);
    for Choices { packed, in_place, streamed } in choices {
        let Some(component) = component(packed.stage, model) else {
            other = other.max(packed.peak);
            continue;
        };
        let needs = ComponentNeeds {
            component,
            weights: packed.weights,
            num_stages: 1,
            packed: footprint(packed),
            in_place: footprint(in_place),
            streamed: streamed.as_ref().map(footprint),
        };
        match components.iter_mut().find(|known| known.component == component) {
            Some(known) => {
                known.num_stages += 1;
                known.packed = larger(known.packed, needs.packed);
                known.in_place = larger(known.in_place, needs.in_place);
                known.streamed = known.streamed.zip(needs.streamed).map(|(a, b)| larger(a, b));
                known.weights = known.weights.max(needs.weights);
            }
            None => components.push(needs),
        }
    }
    MemoryPlan::choose(&MemoryNeeds {
        provider: facts.provider,
        available: if facts.provider.uses_host_memory() {
            facts.free_memory
        } else {
            facts.device.map(|device| device.free.unwrap_or(device.total))
        },
        second: facts.second_device.map(|device| device.available()),
        weights: request.weights,
        quantisation: model.quantisation,
        components,
        other,
        vae: memory::vae_split(facts),
        keeps_sessions: facts.keeps_sessions,
        ahead_from: model.exported.is_none().then_some(AHEAD_FROM),
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
    let StageCost { peak, droppable, kept, made, rows, .. } = *cost;
    let needed = Bytes(peak.0 - droppable.0.min(peak.0));
    Footprint { needed, droppable, kept, made, rows }
}

fn larger(a: Footprint, b: Footprint) -> Footprint {
    Footprint {
        needed: a.needed.max(b.needed),
        droppable: a.droppable.max(b.droppable),
        kept: a.kept.max(b.kept),
        made: a.made.max(b.made),
        rows: RowPlan {
            chunks: a.rows.chunks.max(b.rows.chunks),
            in_one_piece: a.rows.in_one_piece.max(b.rows.in_one_piece),
        },
    }
}
