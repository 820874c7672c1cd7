//! Summaries of the samples in a time range.

use serde::Serialize;

use super::energy::Energy;
use super::metric::{DeviceMetric, HostMetric, Metric};
use super::sample::Sample;
use crate::core::{Bytes, Secs};

/// A time range.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct TimeRange {
    /// The start.
    pub from: Secs,
    /// The end.
    pub to: Secs,
}

impl TimeRange {
    /// The range between two times, which may be in either order.
    pub fn between(a: Secs, b: Secs) -> Self {
        if a <= b { Self { from: a, to: b } } else { Self { from: b, to: a } }
    }

    /// The duration.
    pub fn seconds(self) -> Secs {
        Secs(self.to.0 - self.from.0)
    }

    /// Whether `at` is in the range; both ends are included.
    pub fn contains(self, at: Secs) -> bool {
        self.from <= at && at <= self.to
    }
}

/// The samples in a time range, from samples ordered by time.
pub fn in_range<S: AsRef<Sample>>(samples: &[S], range: TimeRange) -> &[S] {
    let first = samples.partition_point(|sample| sample.as_ref().at < range.from);
    let after = samples.partition_point(|sample| sample.as_ref().at <= range.to);
    samples.get(first..after).unwrap_or_default()
}

/// Statistics of one metric over a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MetricSummary {
    /// Last value.
    pub now: f64,
    /// Minimum.
    pub min: f64,
    /// Mean of all values.
    pub avg: f64,
    /// 95th percentile (nearest rank).
    pub p95: f64,
    /// Maximum.
    pub max: f64,
}

impl MetricSummary {
    /// Statistics of `metric` in `samples`; `None` if no sample has a value.
    pub fn of<S: AsRef<Sample>>(samples: &[S], metric: Metric) -> Option<Self> {
        Self::of_values(samples.iter().filter_map(|sample| sample.as_ref().get(metric)).collect())
    }

    /// Statistics of `values` in the order they were measured; `None` if there are none.
    pub fn of_values(mut values: Vec<f64>) -> Option<Self> {
        let now = *values.last()?;
        let avg = values.iter().sum::<f64>() / values.len() as f64;
        values.sort_by(f64::total_cmp);
        let rank = (values.len() * 95).div_ceil(100).max(1);
        Some(Self { now, min: *values.first()?, avg, p95: *values.get(rank - 1)?, max: *values.last()? })
    }
}

/// Totals over a range; `None` for what was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RangeTotals {
    /// Duration of the range.
    pub seconds: Secs,
    /// Energy of the CPU and of all devices.
    pub energy: Energy,
    /// Bytes read from disks by this process.
    pub read: Option<Bytes>,
    /// Bytes written to disks by this process.
    pub written: Option<Bytes>,
    /// Bytes sent to and received from devices.
    pub moved: Option<Bytes>,
    /// Mean use of all cores, percent.
    pub mean_cpu: Option<f64>,
    /// Mean use of the busiest device, percent.
    pub mean_device: Option<f64>,
    /// Peak resident memory of this process.
    pub peak_memory: Option<Bytes>,
    /// Peak memory in use on a single device, the largest over all devices.
    pub peak_device_memory: Option<Bytes>,
}

impl RangeTotals {
    /// Totals of the samples in `range`.
    pub fn of<S: AsRef<Sample>>(samples: &[S], range: TimeRange) -> Self {
        let part = in_range(samples, range);
        let bytes = |value: f64| Bytes(value as u64);
        let host = |metric: HostMetric| MetricSummary::of(part, metric.into());
        let devices = part.iter().map(|sample| sample.as_ref().num_devices()).max().unwrap_or_default();
        let of_devices = (0..devices).filter_map(|index| energy(part, index, range.from));
        let energy = Energy {
            cpu: integral(part, HostMetric::CpuPower.into(), range.from),
            devices: of_devices.reduce(|a, b| a + b),
        };
        let traffic = [DeviceMetric::PcieSend, DeviceMetric::PcieReceive];
        let moved = (0..devices).flat_map(|index| traffic.map(|metric| Metric::Device(index, metric)));
        let moved = moved.filter_map(|metric| integral(part, metric, range.from));
        let device_use = (0..devices)
            .filter_map(|index| Some(MetricSummary::of(part, Metric::Device(index, DeviceMetric::Use))?.avg));
        let device_memory = (0..devices).filter_map(|index| {
            Some(MetricSummary::of(part, Metric::Device(index, DeviceMetric::UsedMemory))?.max)
        });
        Self {
            seconds: range.seconds(),
            energy,
            read: integral(part, HostMetric::DiskRead.into(), range.from).map(bytes),
            written: integral(part, HostMetric::DiskWrite.into(), range.from).map(bytes),
            moved: moved.reduce(|a, b| a + b).map(bytes),
            mean_cpu: host(HostMetric::Cpu).map(|summary| summary.avg),
            mean_device: device_use.reduce(f64::max),
            peak_memory: host(HostMetric::ProcessMemory).map(|summary| bytes(summary.max)),
            peak_device_memory: device_memory.reduce(f64::max).map(bytes),
        }
    }
}

/// Energy of a device in joules, from its energy counter, else from its power.
fn energy<S: AsRef<Sample>>(samples: &[S], index: usize, from: Secs) -> Option<f64> {
    match MetricSummary::of(samples, Metric::Device(index, DeviceMetric::Energy)) {
        Some(counter) if samples.len() > 1 => Some(counter.max - counter.min),
        _ => integral(samples, Metric::Device(index, DeviceMetric::Power), from),
    }
}

/// Integral of a rate over time; each sample's rate applies since the previous sample.
fn integral<S: AsRef<Sample>>(samples: &[S], metric: Metric, from: Secs) -> Option<f64> {
    let mut before = from;
    let mut sum = None;
    for sample in samples.iter().map(AsRef::as_ref) {
        if let Some(rate) = sample.get(metric) {
            *sum.get_or_insert(0.0) += rate * (sample.at.0 - before.0).max(0.0);
        }
        before = sample.at;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Vec<Sample> {
        let power = Metric::Device(0, DeviceMetric::Power);
        let sample = |at: u32| {
            let at = f64::from(at);
            Sample::new(Secs(at))
                .with(HostMetric::Cpu, at)
                .with(HostMetric::DiskRead, 10.0)
                .with(HostMetric::ProcessMemory, 1000.0 - at)
                .with(power, 50.0)
                .with(Metric::Device(0, DeviceMetric::PcieReceive), 5.0)
        };
        (1..=100).map(sample).collect()
    }

    #[test]
    fn a_summary_has_the_nearest_rank() {
        let summary = MetricSummary::of(&ramp(), HostMetric::Cpu.into()).unwrap();
        assert_eq!(summary, MetricSummary { now: 100.0, min: 1.0, avg: 50.5, p95: 95.0, max: 100.0 });
        assert_eq!(MetricSummary::of_values(vec![3.0]).unwrap().p95, 3.0);
        assert_eq!(MetricSummary::of(&ramp(), HostMetric::Swap.into()), None);
    }

    #[test]
    fn totals_are_those_of_the_range() {
        let range = TimeRange::between(Secs(30.0), Secs(20.0));
        let totals = RangeTotals::of(&ramp(), range);
        assert_eq!(totals.seconds, Secs(10.0));
        assert_eq!((totals.read, totals.written), (Some(Bytes(100)), None));
        assert_eq!((totals.energy.joules(), totals.mean_cpu), (Some(500.0), Some(25.0)));
        assert_eq!(totals.peak_memory, Some(Bytes(980)));
        assert_eq!(totals.moved, Some(Bytes(50)));
    }

    #[test]
    fn the_energy_counter_is_preferred_to_power() {
        let energy = Metric::Device(0, DeviceMetric::Energy);
        let samples: Vec<_> = ramp()
            .into_iter()
            .map(|sample| {
                let at = sample.at.0;
                sample.with(energy, 7.0 * at)
            })
            .collect();
        let totals = RangeTotals::of(&samples, TimeRange::between(Secs(20.0), Secs(30.0)));
        assert_eq!(totals.energy, Energy { cpu: None, devices: Some(70.0) });
    }

    #[test]
    fn an_empty_range_has_no_numbers() {
        let totals = RangeTotals::of(&ramp(), TimeRange::between(Secs(200.0), Secs(300.0)));
        assert_eq!((totals.read, totals.mean_cpu, totals.energy.joules()), (None, None, None));
    }
}
