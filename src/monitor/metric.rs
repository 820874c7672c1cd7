//! Table of the metrics: names, units and how several values are merged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::Bytes;

/// Unit of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Percent, from 0 to 100.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Events per second.
    PerSecond,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
    /// Megahertz.
    Megahertz,
    /// Joules since the driver was loaded.
    Joules,
    /// Flags of a [`Throttle`](super::Throttle).
    Flags,
}

impl Unit {
    /// Formats `value` with its unit, for instance "97 %" or "1.5 GiB/s".
    pub fn format(self, value: f64) -> String {
        let bytes = || Bytes(value.max(0.0) as u64);
        match self {
            Self::Percent => format!("{value:.0} %"),
            Self::Bytes => bytes().to_string(),
            Self::BytesPerSecond => format!("{}/s", bytes()),
            Self::PerSecond => format!("{value:.0} /s"),
            Self::Celsius => format!("{value:.0} °C"),
            Self::Watts => format!("{value:.0} W"),
            Self::Megahertz => format!("{value:.0} MHz"),
            Self::Joules => format!("{value:.0} J"),
            Self::Flags => super::Throttle(value as u8).to_string(),
        }
    }
}

/// How several values become one when samples are down-sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    Mean,
    Max,
    Last,
    Any,
}

/// A metric of the machine or of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostMetric {
    /// Use of all cores together, percent.
    Cpu,
    /// Use of all cores by this process, percent.
    ProcessCpu,
    /// Memory of the machine that is in use, bytes.
    UsedMemory,
    /// Resident memory of this process, bytes.
    ProcessMemory,
    /// Swap that is in use, bytes.
    Swap,
    /// Bytes swapped in and out per second.
    SwapTraffic,
    /// Bytes that this process read from disks per second.
    DiskRead,
    /// Bytes that this process wrote to disks per second.
    DiskWrite,
    /// Page faults of this process per second that read from a disk.
    MajorFaults,
    /// Part of the time in which some task waited for a core, percent.
    CpuPressure,
    /// Part of the time in which some task waited for memory, percent.
    MemoryPressure,
    /// Part of the time in which some task waited for a disk, percent.
    DiskPressure,
    /// Weights of the sessions that are loaded in main memory, bytes; by the memory plans of their jobs.
    Weights,
    /// Power draw of all CPU packages, watts.
    CpuPower,
}

impl HostMetric {
    /// All metrics, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Cpu,
        Self::ProcessCpu,
        Self::UsedMemory,
        Self::ProcessMemory,
        Self::Swap,
        Self::SwapTraffic,
        Self::DiskRead,
        Self::DiskWrite,
        Self::MajorFaults,
        Self::CpuPressure,
        Self::MemoryPressure,
        Self::DiskPressure,
        Self::Weights,
        Self::CpuPower,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::ProcessCpu => "CPU, Wandeck",
            Self::UsedMemory => "Memory",
            Self::ProcessMemory => "Memory, Wandeck",
            Self::Swap => "Swap",
            Self::SwapTraffic => "Swap traffic",
            Self::DiskRead => "Disk read",
            Self::DiskWrite => "Disk write",
            Self::MajorFaults => "Page faults",
            Self::CpuPressure => "Waiting for CPU",
            Self::MemoryPressure => "Waiting for memory",
            Self::DiskPressure => "Waiting for disk",
            Self::Weights => "Weights in memory",
            Self::CpuPower => "CPU power",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Cpu | Self::ProcessCpu | Self::CpuPressure | Self::MemoryPressure | Self::DiskPressure => {
                Unit::Percent
            }
            Self::UsedMemory | Self::ProcessMemory | Self::Swap | Self::Weights => Unit::Bytes,
            Self::CpuPower => Unit::Watts,
            Self::SwapTraffic | Self::DiskRead | Self::DiskWrite => Unit::BytesPerSecond,
            Self::MajorFaults => Unit::PerSecond,
        }
    }

    pub(super) fn merge(self) -> Merge {
        if self.unit() == Unit::Bytes { Merge::Max } else { Merge::Mean }
    }
}

/// A metric of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceMetric {
    /// Part of the time in which a kernel ran, percent.
    Use,
    /// Memory in use, bytes.
    UsedMemory,
    /// Device memory of this process, bytes.
    ProcessMemory,
    /// Temperature of the chip, °C.
    Temperature,
    /// Power draw, watts.
    Power,
    /// Clock of the multiprocessors, MHz.
    Clock,
    /// Clock of the memory, MHz.
    MemoryClock,
    /// Reasons for reduced clocks, as flags of [`Throttle`](super::Throttle).
    Throttle,
    /// Bytes sent over PCI Express per second.
    PcieSend,
    /// Bytes received over PCI Express per second.
    PcieReceive,
    /// Energy since the driver was loaded, joules.
    Energy,
    /// Part of the time in which tensor cores computed, percent; Hopper and newer.
    TensorUse,
    /// Part of the memory's bandwidth that was used, percent; Hopper and newer.
    BandwidthUse,
    /// Weights of the sessions that are loaded on this device, bytes; by the memory plans of their jobs.
    Weights,
}

impl DeviceMetric {
    /// All metrics, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Use,
        Self::UsedMemory,
        Self::ProcessMemory,
        Self::Temperature,
        Self::Power,
        Self::Clock,
        Self::MemoryClock,
        Self::Throttle,
        Self::PcieSend,
        Self::PcieReceive,
        Self::Energy,
        Self::TensorUse,
        Self::BandwidthUse,
        Self::Weights,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Use => "GPU",
            Self::UsedMemory => "VRAM",
            Self::ProcessMemory => "VRAM, Wandeck",
            Self::Temperature => "Temperature",
            Self::Power => "Power",
            Self::Clock => "Clock",
            Self::MemoryClock => "Memory clock",
            Self::Throttle => "Throttle",
            Self::PcieSend => "PCIe sent",
            Self::PcieReceive => "PCIe received",
            Self::Energy => "Energy",
            Self::TensorUse => "Tensor cores",
            Self::BandwidthUse => "VRAM bandwidth",
            Self::Weights => "Weights in VRAM",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Use | Self::TensorUse | Self::BandwidthUse => Unit::Percent,
            Self::UsedMemory | Self::ProcessMemory | Self::Weights => Unit::Bytes,
            Self::Temperature => Unit::Celsius,
            Self::Power => Unit::Watts,
            Self::Clock | Self::MemoryClock => Unit::Megahertz,
            Self::Throttle => Unit::Flags,
            Self::PcieSend | Self::PcieReceive => Unit::BytesPerSecond,
            Self::Energy => Unit::Joules,
        }
    }

    pub(super) fn merge(self) -> Merge {
        match self {
            Self::UsedMemory | Self::ProcessMemory | Self::Weights | Self::Temperature => Merge::Max,
            Self::Energy => Merge::Last,
            Self::Throttle => Merge::Any,
            _ => Merge::Mean,
        }
    }
}

/// A metric of the machine, of a core or of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Metric of the machine or of this process.
    Host(HostMetric),
    /// Use of one core, percent.
    Core(usize),
    /// Metric of a device, by its index in [`Machine::devices`](super::Machine::devices).
    Device(usize, DeviceMetric),
}

impl Metric {
    /// The metric's unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::Host(metric) => metric.unit(),
            Self::Core(_) => Unit::Percent,
            Self::Device(_, metric) => metric.unit(),
        }
    }

    /// Formats `value` with the metric's unit.
    pub fn format(self, value: f64) -> String {
        self.unit().format(value)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(metric) => f.write_str(metric.name()),
            Self::Core(core) => write!(f, "Core {core}"),
            Self::Device(0, metric) => f.write_str(metric.name()),
            Self::Device(index, metric) => write!(f, "{} {}", metric.name(), index + 1),
        }
    }
}

impl From<HostMetric> for Metric {
    fn from(metric: HostMetric) -> Self {
        Self::Host(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_the_order_of_the_discriminants() {
        assert!(HostMetric::ALL.iter().enumerate().all(|(index, metric)| *metric as usize == index));
        assert!(DeviceMetric::ALL.iter().enumerate().all(|(index, metric)| *metric as usize == index));
    }

    #[test]
    fn values_are_shown_with_their_unit() {
        assert_eq!(Metric::from(HostMetric::Cpu).format(96.7), "97 %");
        assert_eq!(Metric::from(HostMetric::DiskRead).format(1.5 * 1024.0 * 1024.0), "1.5 MiB/s");
        assert_eq!(Metric::Device(0, DeviceMetric::Temperature).format(71.0), "71 °C");
        assert_eq!(Metric::Device(1, DeviceMetric::Use).to_string(), "GPU 2");
    }
}
