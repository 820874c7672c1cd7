//! The rows of the monitor: what each one shows and what stands beside it.

use super::row_choice::{RowChoice, RowKind};
use super::series::highest;
use crate::core::Secs;
use crate::monitor::{DeviceMetric, HostMetric, Metric};

/// Largest part of the machine's memory that a job may need and still get a scale of its own.
const SMALL_JOB: f64 = 0.4;
/// Room above the highest value.
const HEADROOM: f64 = 1.15;
/// How much higher than the job's memory the memory of other processes is drawn.
const OTHERS: f64 = 1.6;

/// One plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Cpu,
    Memory,
    Swap,
    Disk,
    PageFaults,
    Steps,
    DeviceUse(usize),
    DeviceMemory(usize),
    DevicePower(usize),
    DeviceTemperature(usize),
    DeviceClocks(usize),
    DevicePcie(usize),
}

impl Row {
    /// The rows of a machine that are shown, from top to bottom.
    pub(super) fn shown(devices: usize, choice: RowChoice) -> Vec<Self> {
        let of_device = |index| {
            [
                Self::DeviceUse(index),
                Self::DeviceMemory(index),
                Self::DevicePower(index),
                Self::DeviceTemperature(index),
                Self::DeviceClocks(index),
                Self::DevicePcie(index),
            ]
        };
        let devices = (0..devices).flat_map(of_device);
        let above = [Self::Cpu, Self::Memory, Self::Swap].into_iter();
        let rows = above.chain(devices).chain([Self::Disk, Self::PageFaults, Self::Steps]);
        rows.filter(|row| choice.shows(row.kind())).collect()
    }

    fn kind(self) -> RowKind {
        match self {
            Self::Cpu => RowKind::Cpu,
            Self::Memory => RowKind::Memory,
            Self::Swap => RowKind::Swap,
            Self::Disk => RowKind::Disk,
            Self::PageFaults => RowKind::PageFaults,
            Self::Steps => RowKind::Steps,
            Self::DeviceUse(_) => RowKind::Gpu,
            Self::DeviceMemory(_) => RowKind::Vram,
            Self::DevicePower(_) => RowKind::Power,
            Self::DeviceTemperature(_) => RowKind::Temperature,
            Self::DeviceClocks(_) => RowKind::Clocks,
            Self::DevicePcie(_) => RowKind::Pcie,
        }
    }

    /// The row's metrics; the first one stands beside the plot if there is room for one.
    pub(super) fn metrics(self) -> Vec<Metric> {
        let device =
            |index, metrics: [DeviceMetric; 2]| metrics.map(|metric| Metric::Device(index, metric)).to_vec();
        match self {
            Self::Cpu => vec![HostMetric::Cpu.into(), HostMetric::ProcessCpu.into()],
            Self::Memory => vec![HostMetric::ProcessMemory.into(), HostMetric::UsedMemory.into()],
            Self::Disk => vec![HostMetric::DiskRead.into(), HostMetric::DiskWrite.into()],
            Self::Swap => vec![HostMetric::Swap.into(), HostMetric::SwapTraffic.into()],
            Self::PageFaults => vec![HostMetric::MajorFaults.into()],
            Self::Steps => Vec::new(),
            Self::DeviceUse(index) => device(index, [DeviceMetric::Use, DeviceMetric::TensorUse]),
            Self::DeviceMemory(index) => {
                device(index, [DeviceMetric::UsedMemory, DeviceMetric::ProcessMemory])
            }
            Self::DevicePower(index) => device(index, [DeviceMetric::Power, DeviceMetric::Temperature]),
            Self::DeviceTemperature(index) => vec![Metric::Device(index, DeviceMetric::Temperature)],
            Self::DeviceClocks(index) => device(index, [DeviceMetric::Clock, DeviceMetric::MemoryClock]),
            Self::DevicePcie(index) => device(index, [DeviceMetric::PcieReceive, DeviceMetric::PcieSend]),
        }
    }
}

/// What stands beside the plot for `metric`; the name of the row is short, because there is little room.
pub(super) fn label(row: Row, metric: Metric, value: Option<f64>) -> String {
    let name = match (row, metric) {
        (Row::Memory, Metric::Host(HostMetric::ProcessMemory)) => "Memory".to_owned(),
        (Row::Memory, Metric::Host(HostMetric::UsedMemory)) => "all processes".to_owned(),
        (Row::Cpu, Metric::Host(HostMetric::ProcessCpu)) => "Wandeck".to_owned(),
        (Row::Disk, Metric::Host(HostMetric::DiskRead)) => "Read".to_owned(),
        (Row::Disk, Metric::Host(HostMetric::DiskWrite)) => "write".to_owned(),
        _ => metric.to_string(),
    };
    match value {
        Some(value) => format!("{name} {}", metric.format(value)),
        None => format!("{name} not measured"),
    }
}

/// Seconds of a step, in milliseconds where they are few.
pub(super) fn step_text(seconds: Secs) -> String {
    if seconds.0 < 1.0 { format!("{:.0} ms", seconds.0 * 1e3) } else { seconds.to_string() }
}

/// What decides the scale of a row of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MemoryScale {
    /// Largest memory of this process.
    pub(super) own: f64,
    /// Largest memory in use.
    pub(super) used: f64,
    /// Forecast of the job.
    pub(super) forecast: f64,
    /// The machine's or device's memory.
    pub(super) total: f64,
}

impl MemoryScale {
    /// The upper end of the row: the total where the job needs a good part of it, else what the job needs.
    pub(super) fn top(self) -> f64 {
        let needed = self.own.max(self.forecast);
        if self.total <= 0.0 {
            return (self.used.max(needed) * HEADROOM).max(1.0);
        }
        if needed >= SMALL_JOB * self.total || needed <= 0.0 {
            return self.total;
        }
        // other processes are seen as far as they do not press the job to the bottom
        (HEADROOM * needed.max(self.used.min(OTHERS * needed))).min(self.total)
    }
}

/// The upper end of a row of rates.
pub(super) fn rate_top(points: &[Vec<[f64; 2]>], least: f64) -> f64 {
    HEADROOM * points.iter().map(|points| highest(points)).fold(least, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_job_fills_its_row_and_a_large_one_is_seen_against_the_machine() {
        let top = |own, used, forecast| MemoryScale { own, used, forecast, total: 24.0 }.top();
        assert_eq!(top(12.0, 14.0, 10.0), 24.0);
        assert_eq!(top(1.0, 14.0, 11.0), 24.0, "the forecast counts like the fact");
        assert!(
            (top(0.3, 0.9, 0.2) - HEADROOM * 0.48).abs() < 1e-9,
            "others reach at most 1.6 times the job"
        );
        assert!((top(0.3, 0.4, 0.2) - HEADROOM * 0.4).abs() < 1e-9);
        assert_eq!(top(0.0, 9.0, 0.0), 24.0, "without a job the machine is shown");
        assert_eq!(MemoryScale { own: 2.0, used: 4.0, forecast: 0.0, total: 0.0 }.top(), HEADROOM * 4.0);
    }
}
