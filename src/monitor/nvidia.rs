//! Metrics of NVIDIA devices from NVML, which is part of the driver.

use std::fmt;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, PcieUtilCounter, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::{GpmSample, gpm_metrics_get};
use nvml_wrapper::{Device, Nvml};

use super::metric::{DeviceMetric as M, Metric};
use super::sample::{DeviceInfo, Sample, Throttle};
use crate::core::Bytes;

/// Metrics of the GPU performance monitoring counters, in the order in which they are requested.
const COUNTERS: [(GpmMetricId, M, f64); 4] = [
    (GpmMetricId::AnyTensorUtil, M::TensorUse, 1.0),
    (GpmMetricId::DramBwUtil, M::BandwidthUse, 1.0),
    // NVML reports these two in MiB/s
    (GpmMetricId::PcieTxPerSec, M::PcieSend, MEBIBYTE),
    (GpmMetricId::PcieRxPerSec, M::PcieReceive, MEBIBYTE),
];
const MEBIBYTE: f64 = 1048576.0;

/// The reason why no device is measured, as one sentence.
pub(super) fn absent(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "No NVIDIA driver: only the CPU is measured".to_owned()
        }
        NvmlError::DriverNotLoaded => "The NVIDIA driver is installed but not loaded".to_owned(),
        NvmlError::LibRmVersionMismatch => {
            "The NVIDIA driver was updated: restart the machine to measure the device".to_owned()
        }
        NvmlError::NoPermission => {
            "The NVIDIA driver does not allow this user to measure the device".to_owned()
        }
        other => format!("The NVIDIA driver does not respond: {other}"),
    }
}

/// Reads the metrics of one device.
pub(super) struct DeviceReader<'a> {
    nvml: &'a Nvml,
    device: Device<'a>,
    info: DeviceInfo,
    /// The previous sample of the performance monitoring counters; `None` if the device has none.
    counters: Option<GpmSample<'a>>,
}

/// All devices that respond, ordered by PCI address. NVML's indices serve only to enumerate them: a device is
/// identified by its UUID.
pub(super) fn devices(nvml: &Nvml) -> Vec<DeviceReader<'_>> {
    let count = nvml.device_count().unwrap_or_default();
    let open = |index| {
        let device = nvml.device_by_index(index)?;
        let info = DeviceInfo {
            name: device.name()?,
            uuid: device.uuid()?,
            bus_id: device.pci_info().map(|pci| pci.bus_id).unwrap_or_default(),
            memory: Bytes(device.memory_info().map_or(0, |memory| memory.total)),
        };
        let counters = if device.gpm_support().unwrap_or(false) { device.gpm_sample().ok() } else { None };
        Ok(DeviceReader { nvml, device, info, counters })
    };
    let log = |error: &NvmlError| tracing::debug!("cannot measure a device: {error}");
    let mut devices: Vec<_> = (0..count).filter_map(|index| open(index).inspect_err(log).ok()).collect();
    devices.sort_by(|a, b| a.info.bus_id.cmp(&b.info.bus_id));
    devices
}

impl DeviceReader<'_> {
    pub(super) fn info(&self) -> DeviceInfo {
        self.info.clone()
    }

    /// Adds the current metrics to `sample` as device `index`.
    pub(super) fn read(&mut self, index: usize, sample: &mut Sample) {
        let device = &self.device;
        let mut set = |metric, value: Option<f64>| sample.set(Metric::Device(index, metric), value);
        let memory = device.memory_info().ok();
        set(M::Use, known(device.utilization_rates().map(|rates| rates.gpu)));
        set(M::UsedMemory, memory.map(|memory| memory.used as f64));
        set(M::ProcessMemory, self.own_memory());
        set(M::Temperature, known(device.temperature(TemperatureSensor::Gpu)));
        set(M::Power, known(device.power_usage()).map(|milliwatts| milliwatts / 1e3));
        set(M::Clock, known(device.clock_info(Clock::SM)));
        set(M::MemoryClock, known(device.clock_info(Clock::Memory)));
        set(M::Throttle, device.current_throttle_reasons().ok().map(|reasons| throttle(reasons).into()));
        set(M::Energy, device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1e3));
        if self.counters.is_some() {
            for (metric, value) in self.read_counters() {
                sample.set(Metric::Device(index, metric), value);
            }
        } else {
            let moved = |counter| known(device.pcie_throughput(counter)).map(|kibibytes| kibibytes * 1024.0);
            set(M::PcieSend, moved(PcieUtilCounter::Send));
            set(M::PcieReceive, moved(PcieUtilCounter::Receive));
        }
    }

    /// Device memory of this process; `None` if the driver does not report it, or reports process IDs of another namespace
    /// (in containers).
    fn own_memory(&self) -> Option<f64> {
        let own = std::process::id();
        let processes = self.device.running_compute_processes().ok()?;
        let process = processes.iter().find(|process| process.pid == own)?;
        match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes as f64),
            UsedGpuMemory::Unavailable => None,
        }
    }

    /// The counters since the previous reading.
    fn read_counters(&mut self) -> Vec<(M, Option<f64>)> {
        let Ok(now) = self.device.gpm_sample() else { return Vec::new() };
        let Some(before) = self.counters.replace(now) else { return Vec::new() };
        let Some(now) = &self.counters else { return Vec::new() };
        let ids = COUNTERS.map(|(id, ..)| id);
        let Ok(results) = gpm_metrics_get(self.nvml, &before, now, &ids) else { return Vec::new() };
        let read = |((_, metric, factor), result): (&(_, M, f64), Result<_, NvmlError>)| {
            let result: Option<nvml_wrapper::struct_wrappers::gpm::GpmMetricResult> = result.ok();
            (*metric, result.map(|result| result.value * factor))
        };
        COUNTERS.iter().zip(results).map(read).collect()
    }
}

impl fmt::Debug for DeviceReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceReader").field(&self.info).finish()
    }
}

fn known(value: Result<u32, NvmlError>) -> Option<f64> {
    value.ok().map(f64::from)
}

fn throttle(reasons: ThrottleReasons) -> u8 {
    let heat = ThrottleReasons::SW_THERMAL_SLOWDOWN | ThrottleReasons::HW_THERMAL_SLOWDOWN;
    let hardware = ThrottleReasons::HW_SLOWDOWN | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN;
    let flags = [
        (ThrottleReasons::SW_POWER_CAP, Throttle::POWER),
        (heat, Throttle::HEAT),
        (hardware, Throttle::HARDWARE),
    ];
    flags.iter().filter(|(reason, _)| reasons.intersects(*reason)).map(|(_, flag)| flag).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_become_flags() {
        let reasons = ThrottleReasons::SW_POWER_CAP | ThrottleReasons::HW_THERMAL_SLOWDOWN;
        assert_eq!(throttle(reasons), Throttle::POWER | Throttle::HEAT);
        assert_eq!(throttle(ThrottleReasons::GPU_IDLE), 0, "an idle device is not throttled");
    }

    #[test]
    fn a_missing_driver_is_reported_in_one_sentence() {
        assert_eq!(absent(&NvmlError::LibraryNotFound), "No NVIDIA driver: only the CPU is measured");
    }
}
