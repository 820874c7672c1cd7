//! Peak memory of the card that computes a job, sampled after each step and at the end of each stage.
//!
//! The driver reports the memory of all processes; what others held before the job began is taken off. ONNX Runtime's
//! arena keeps its peak until a network is released, so the samples miss little.

use std::cell::Cell;

use crate::core::{Bytes, DeviceId, Event};
use crate::monitor::card_memory;
use crate::pipeline::memory_of_sessions;

/// Peak memory of a job on its card.
pub(super) struct DevicePeak {
    device: DeviceId,
    /// What other processes hold; `None` on the CPU, or if the driver does not answer.
    others: Option<Bytes>,
    peak: Cell<Option<Bytes>>,
}

impl DevicePeak {
    /// Begins to sample. The sessions that earlier jobs left loaded count as the job's.
    pub(super) fn start(device: &DeviceId) -> Self {
        let used = if device.provider.is_nvidia() { used(device) } else { None };
        let others = used.map(|used| Bytes(used.0.saturating_sub(memory_of_sessions(device).0)));
        Self { device: device.clone(), others, peak: Cell::new(None) }
    }

    /// Samples if the event ends a step or a stage.
    pub(super) fn observe(&self, event: &Event) {
        if let (Some(others), Event::Step { .. } | Event::StageFinished { .. }) = (self.others, event)
            && let Some(used) = used(&self.device)
        {
            let own = Bytes(used.0.saturating_sub(others.0));
            self.peak.set(self.peak.get().max(Some(own)));
        }
    }

    /// The peak in MiB; `None` on the CPU.
    pub(super) fn mebibytes(&self) -> Option<f64> {
        self.peak.get().map(|peak| peak.0 as f64 / f64::from(1 << 20))
    }
}

fn used(device: &DeviceId) -> Option<Bytes> {
    let memory = card_memory(device)?;
    Some(Bytes(memory.total.0 - memory.free.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Secs, Stage};

    #[test]
    fn the_cpu_has_no_device_memory() {
        let peak = DevicePeak::start(&DeviceId::CPU);
        peak.observe(&Event::StageFinished { stage: Stage::Decode, seconds: Secs(1.0) });
        assert_eq!(peak.mebibytes(), None);
    }
}
