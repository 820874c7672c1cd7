//! One sample of the memory that a run may take, for its preflight and its memory plan.

use super::preflight::{device, loras};
use crate::core::{Bytes, GenRequest};
use crate::engine::Provider;
use crate::monitor;
use crate::pipeline::{ComputePlan, MemoryPlan, SessionCache, denoise_steps};
use crate::preflight::{DeviceFacts, ModelSize, PreflightFacts, memory_plan};
use crate::wan::Checkpoint;

/// Memory that a run may take: what is free, and what the loaded sessions of earlier jobs hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemorySample {
    /// Of the machine; `None` if the system does not report it.
    pub(super) host: Option<Bytes>,
    /// Of the GPU that computes; `None` on the CPU, or if the driver does not answer.
    pub(super) device: Option<DeviceFacts>,
    /// Whether the run's sessions may stay loaded for the next job.
    pub(super) keeps_sessions: bool,
}

impl MemorySample {
    /// Samples now, and drops the loaded sessions if less is free than their plan reserves.
    pub(crate) fn take(compute: &ComputePlan, sessions: &mut SessionCache) -> Self {
        let (mut host, mut device) = (monitor::free(), device(compute));
        let keeps_sessions = sessions.keeps_between_jobs();
        let held = sessions.memory(compute.provider);
        let with_held = |free: Bytes| Bytes(free.0 + held.0);
        if compute.provider == Provider::Cpu {
            sessions.clear_if_short(host);
            host = host.map(with_held);
        } else {
            sessions.clear_if_short(device.and_then(|device| device.free));
            device = device.map(|device| DeviceFacts { free: device.free.map(with_held), ..device });
        }
        Self { host, device, keeps_sessions }
    }

    /// What a run packs and keeps loaded with this memory.
    pub(crate) fn plan(self, request: &GenRequest, model: &Checkpoint, compute: &ComputePlan) -> MemoryPlan {
        memory_plan(&PreflightFacts {
            request,
            model: &ModelSize::of(model),
            steps: denoise_steps(model, request).map(|steps| steps as u32),
            loras: loras(request),
            device: self.device,
            free_memory: self.host,
            keeps_sessions: self.keeps_sessions,
            disk_space: &[],
            cores: 1,
            provider: compute.provider,
            variants: &[],
            history: &[],
            similar_runs: None,
        })
    }
}
