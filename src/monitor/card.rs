//! Memory of an NVIDIA device, from NVML, which comes with the driver.

use std::sync::OnceLock;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::core::{Bytes, DeviceId, Provider};

/// Memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardMemory {
    /// Total memory.
    pub total: Bytes,
    /// Memory that no process has allocated.
    pub free: Bytes,
}

/// Memory of a device by its UUID. Without a UUID, memory of the only NVIDIA device of the machine.
///
/// `None` for the CPU, without a driver, without such a device, or if the UUID is unknown and the machine has several devices: NVML
/// and CUDA number devices differently, so an index does not identify a device.
pub fn card_memory(device: &DeviceId) -> Option<CardMemory> {
    if device.provider == Provider::Cpu {
        return None;
    }
    let read = || {
        let nvml = Nvml::init()?;
        match device.uuid.as_deref() {
            Some(uuid) => nvml.device_by_uuid(uuid)?.memory_info(),
            None => only_device(&nvml)?.memory_info(),
        }
    };
    let memory =
        read().inspect_err(|error| tracing::debug!("cannot read the memory of {device}: {error}")).ok()?;
    let free = memory.total.saturating_sub(memory.used);
    Some(CardMemory { total: Bytes(memory.total), free: Bytes(free) })
}

/// Whether the machine has an NVIDIA GPU with a driver that answers. Asked once.
pub fn has_gpu() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| Nvml::init().and_then(|nvml| nvml.device_count()).is_ok_and(|count| count > 0))
}

/// The only device of the machine. Fails if there are several, or if it is divided into MIG instances.
fn only_device(nvml: &Nvml) -> Result<Device<'_>, NvmlError> {
    let count = nvml.device_count()?;
    if count != 1 {
        tracing::debug!("Device unknown: it has no UUID and NVML reports {count} devices");
        return Err(NvmlError::NotFound);
    }
    let device = nvml.device_by_index(0)?;
    if device.mig_mode().is_ok_and(|mode| mode.current != 0) {
        tracing::debug!("Device unknown: it has no UUID and the GPU is divided into MIG instances");
        return Err(NvmlError::NotFound);
    }
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_has_no_memory() {
        let uuid = Some("GPU-00000000-0000-0000-0000-000000000000".to_owned());
        assert_eq!(card_memory(&DeviceId { provider: Provider::Cuda, ordinal: 0, uuid }), None);
        assert_eq!(card_memory(&DeviceId::CPU), None);
    }

    #[test]
    fn a_device_without_uuid_is_known_only_if_it_is_the_only_one() {
        let count = Nvml::init().and_then(|nvml| nvml.device_count()).unwrap_or_default();
        assert!(
            card_memory(&DeviceId { provider: Provider::Cuda, ..DeviceId::CPU }).is_none() || count == 1,
            "{count} devices"
        );
    }
}
