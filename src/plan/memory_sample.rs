//! One sample of the memory that a run may take, for its preflight and its memory plan.

use super::preflight::{device, loras, second_device};
use super::run_limits::RunLimits;
use crate::core::{Bytes, DeviceId, GenRequest};
use crate::monitor;
use crate::pipeline::{ComputePlan, MemoryPlan, SessionCache, denoise_steps, memory_of_sessions};
use crate::preflight::{
    DeviceFacts, MemoryShortage, ModelSize, PreflightFacts, memory_plan, memory_shortage,
};
use crate::wan::Checkpoint;

/// Memory that a run may take: what is free, and what the loaded sessions of earlier jobs hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemorySample {
    /// Of the machine; `None` if the system does not report it.
    pub(super) host: Option<Bytes>,
    /// Of the GPU that computes; `None` on the CPU, or if the driver does not answer.
    pub(super) device: Option<DeviceFacts>,
    /// Of a second GPU that computes the predictions for the negative prompt.
    pub(super) second: Option<DeviceFacts>,
    /// Whether the run's sessions may stay loaded for the next job.
    pub(super) keeps_sessions: bool,
}

/// Drops the sessions that earlier jobs left loaded if less memory is free now than their plan reserves. Returns whether
/// it did.
pub(crate) fn drop_sessions_if_short(sessions: &mut SessionCache) -> bool {
    let free = |device: &DeviceId| {
        if device.provider.uses_host_memory() {
            monitor::free()
        } else {
            monitor::card_memory(device).map(|card| card.free)
        }
    };
    let least = sessions.devices().into_iter().filter_map(free).min();
    sessions.clear_if_short(least)
}

impl MemorySample {
    /// Samples now, and drops the loaded sessions if less is free than their plan reserves.
    pub(crate) fn take(compute: &ComputePlan, sessions: &mut SessionCache, limits: RunLimits) -> Self {
        let sample = Self::now(compute, sessions.keeps_between_jobs(), limits);
        drop_sessions_if_short(sessions);
        sample
    }

    /// Samples now.
    pub(super) fn now(compute: &ComputePlan, keeps_sessions: bool, limits: RunLimits) -> Self {
        let with_held = |free: Bytes, device| Bytes(free.0 + memory_of_sessions(device).0);
        let (host, gpu) = (monitor::free(), device(compute));
        if compute.device.provider.uses_host_memory() {
            let host = host.map(|free| with_held(free, &compute.device));
            return Self { host, device: gpu, second: None, keeps_sessions };
        }
        let allowed = |facts: DeviceFacts, device| {
            let free = with_held(facts.free.unwrap_or(facts.total), device);
            DeviceFacts { free: Some(limits.free_vram(free, facts.total)), ..facts }
        };
        let second = compute.second.as_ref().zip(second_device(compute));
        Self {
            host,
            device: gpu.map(|gpu| allowed(gpu, &compute.device)),
            second: second.map(|(second, facts)| allowed(facts, &second.id)),
            keeps_sessions,
        }
    }

    /// What a run packs and keeps loaded with this memory.
    pub(crate) fn plan(self, request: &GenRequest, model: &Checkpoint, compute: &ComputePlan) -> MemoryPlan {
        self.with_facts(request, model, compute, memory_plan)
    }

    /// What a run lacks if it cannot fit into this memory.
    pub(crate) fn shortage(
        self,
        request: &GenRequest,
        model: &Checkpoint,
        compute: &ComputePlan,
    ) -> Option<MemoryShortage> {
        self.with_facts(request, model, compute, memory_shortage)
    }

    fn with_facts<T>(
        self,
        request: &GenRequest,
        model: &Checkpoint,
        compute: &ComputePlan,
        of: impl FnOnce(&PreflightFacts<'_>) -> T,
    ) -> T {
        of(&PreflightFacts {
            request,
            model: &ModelSize::of(model),
            steps: denoise_steps(model, request).map(|steps| steps as u32),
            loras: loras(request),
            device: self.device,
            second_device: self.second,
            free_memory: self.host,
            keeps_sessions: self.keeps_sessions,
            disk_space: &[],
            cores: 1,
            has_fast_int8: false,
            provider: compute.device.provider,
            variants: &[],
            suggests_quantised: false,
            history: &[],
            similar_runs: None,
            time_limit: None,
        })
    }
}
