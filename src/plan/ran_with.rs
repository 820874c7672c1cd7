//! What an attempt ran with, for the retry ladder: which changes would do something there.

use super::memory_sample::MemorySample;
use super::run_limits::RunLimits;
use crate::core::{Draft, GenRequest, Provider, Stage};
use crate::engine::{Prepack, Runtime};
use crate::monitor::free_card_memory;
use crate::pipeline::{ComponentId, ComputePlan, RepackedModel};
use crate::wan::{Checkpoint, vae_cost};

/// What an attempt ran with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RanWith {
    /// What ran the graphs.
    pub(crate) provider: Provider,
    /// The longer side of what the VAE takes at once, in pixels; none if it cannot work in tiles.
    pub(crate) vae_tile: Option<u32>,
    /// Whether the weights of the stage were packed.
    pub(crate) is_packed: bool,
}

impl RanWith {
    /// What is assumed of an attempt that computed nothing.
    pub(crate) const NOTHING: Self = Self { provider: Provider::Cpu, vae_tile: None, is_packed: false };
}

/// What an attempt at `draft` by the runner of the device `ordinal` ran with in `stage`; none if it cannot have computed.
pub(crate) fn ran_with(
    runtime: &Runtime,
    ordinal: u32,
    model: &Checkpoint,
    draft: &Draft,
    stage: Stage,
) -> Option<RanWith> {
    let request = GenRequest::parse(draft, &model.limits()).ok()?;
    let compute = ComputePlan::choose(runtime, ordinal, model, &request, free_card_memory).ok()?;
    let is_built = model.exported.is_none();
    let size = request.size;
    let provider = compute.device.provider;
    let split = if provider.uses_host_memory() {
        vae_cost::split(&model.vae.config, size, request.vae_tile, provider)
    } else {
        // on a card the split depends on its memory
        let sample = MemorySample::now(&compute, false, RunLimits::default());
        sample.plan(&request, model, &compute).vae
    };
    let component = match stage {
        Stage::Text => Some(ComponentId::TextEncoder),
        Stage::DenoiseLow if model.transformer_2.is_some() => Some(ComponentId::Transformer2),
        Stage::DenoiseHigh | Stage::DenoiseLow => Some(ComponentId::Transformer),
        // convolutions are never packed
        _ => None,
    };
    let can_be_unpacked = is_built && matches!(provider, Provider::Cpu | Provider::Cuda);
    let is_packed = match component.filter(|_| can_be_unpacked) {
        Some(one) => {
            // where the repacked weights are does not matter here
            let model = RepackedModel::plan(model, &compute, &std::env::temp_dir()).ok()?;
            let sample = MemorySample::now(&compute, false, RunLimits::default());
            let plan = sample.plan(&request, model.checkpoint(), &compute);
            plan.of(one).prepack == Prepack::Packed
        }
        None => false,
    };
    Some(RanWith {
        provider,
        vae_tile: is_built.then(|| split.tile().unwrap_or_else(|| size.width.max(size.height))),
        is_packed,
    })
}
