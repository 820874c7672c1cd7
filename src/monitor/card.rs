//! Memory of an NVIDIA device, from NVML, which comes with the driver.

use std::fmt;
use std::sync::OnceLock;

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::core::{Bytes, DeviceId};

/// Bytes of a program's name that are read.
const NAME_BYTES: usize = 256;

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
    if !device.provider.is_nvidia() {
        return None;
    }
    let read = || {
        let nvml = Nvml::init()?;
        open(&nvml, device)?.memory_info()
    };
    let memory =
        read().inspect_err(|error| tracing::debug!("cannot read the memory of {device}: {error}")).ok()?;
    let free = memory.total.saturating_sub(memory.used);
    Some(CardMemory { total: Bytes(memory.total), free: Bytes(free) })
}

/// Another program that uses a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardHolder {
    /// Its name; `None` if the driver does not know it, as in containers.
    pub name: Option<String>,
    /// Its process.
    pub pid: u32,
    /// Device memory that it holds; `None` if the driver does not report it.
    pub memory: Option<Bytes>,
}

impl fmt::Display for CardHolder {
    /// For instance "python3 (process 42, 20.0 GiB)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}", self.name.as_deref().unwrap_or("another program"), self.pid)?;
        match self.memory {
            Some(memory) => write!(f, ", {memory})"),
            None => f.write_str(")"),
        }
    }
}

/// Device memory that no program uses; `None` where [`card_memory`] is `None`.
pub fn free_card_memory(device: &DeviceId) -> Option<Bytes> {
    card_memory(device).map(|card| card.free)
}

/// The other programs that use a device; empty where [`card_memory`] is `None`.
pub fn card_holders(device: &DeviceId) -> Vec<CardHolder> {
    if !device.provider.is_nvidia() {
        return Vec::new();
    }
    let read = || {
        let nvml = Nvml::init()?;
        let card = open(&nvml, device)?;
        let drawing = card.running_graphics_processes().unwrap_or_default();
        let mut processes: Vec<_> = card.running_compute_processes()?.into_iter().chain(drawing).collect();
        // a program may both draw and compute
        processes.sort_by_key(|process| process.pid);
        processes.dedup_by_key(|process| process.pid);
        let holder = |pid, memory| CardHolder {
            // a path, with arguments on some systems
            name: nvml.sys_process_name(pid, NAME_BYTES).ok().map(|path| file_name(&path)),
            pid,
            memory: match memory {
                UsedGpuMemory::Used(bytes) => Some(Bytes(bytes)),
                UsedGpuMemory::Unavailable => None,
            },
        };
        let others = processes.into_iter().filter(|process| process.pid != std::process::id());
        Ok(others.map(|process| holder(process.pid, process.used_gpu_memory)).collect())
    };
    read()
        .inspect_err(|error: &NvmlError| tracing::debug!("cannot read who uses {device}: {error}"))
        .unwrap_or_default()
}

/// The last part of a program's path.
fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// The device by its UUID, or the only one.
fn open<'n>(nvml: &'n Nvml, device: &DeviceId) -> Result<Device<'n>, NvmlError> {
    match device.uuid.as_deref() {
        Some(uuid) => nvml.device_by_uuid(uuid),
        None => only_device(nvml),
    }
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
    use crate::core::Provider;

    #[test]
    fn an_unknown_device_has_no_memory() {
        let uuid = Some("GPU-00000000-0000-0000-0000-000000000000".to_owned());
        assert_eq!(card_memory(&DeviceId { provider: Provider::Cuda, ordinal: 0, uuid }), None);
        assert_eq!(card_memory(&DeviceId::CPU), None);
        assert_eq!(card_holders(&DeviceId::CPU), []);
    }

    #[test]
    fn a_program_is_named_without_its_folder() {
        assert_eq!(file_name("/usr/bin/python3"), "python3");
        assert_eq!(file_name("C:\\Games\\game.exe"), "game.exe");
        let unnamed = CardHolder { name: None, pid: 7, memory: None };
        assert_eq!(unnamed.to_string(), "another program (process 7)");
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
