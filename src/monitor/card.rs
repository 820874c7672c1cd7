//! Memory of an NVIDIA device, from NVML, which comes with the driver.

use nvml_wrapper::Nvml;

use crate::core::Bytes;

/// Memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardMemory {
    /// Total memory.
    pub total: Bytes,
    /// Memory that no process has allocated.
    pub free: Bytes,
}

/// The memory of the device with this UUID; `None` without a driver or such a device.
///
/// NVML and CUDA number devices differently, so an index would be unreliable.
pub fn card_memory(uuid: &str) -> Option<CardMemory> {
    let read = || {
        let nvml = Nvml::init()?;
        nvml.device_by_uuid(uuid)?.memory_info()
    };
    let memory =
        read().inspect_err(|error| tracing::debug!("cannot read the memory of {uuid}: {error}")).ok()?;
    let free = memory.total.saturating_sub(memory.used);
    Some(CardMemory { total: Bytes(memory.total), free: Bytes(free) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_unknown_device_has_no_memory() {
        assert_eq!(super::card_memory("GPU-00000000-0000-0000-0000-000000000000"), None);
    }
}
