//! One sample of all metrics, and the description of the measured machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::metric::{DeviceMetric, HostMetric, Merge, Metric};
use crate::core::{Bytes, Secs};

/// A device that is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceInfo {
    /// The product's name.
    pub name: String,
    /// UUID as NVML reports it; identifies the device.
    pub uuid: String,
    /// PCI address, for instance `00000000:01:00.0`.
    pub bus_id: String,
    /// Total memory.
    pub memory: Bytes,
}

/// The machine that is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Logical cores.
    pub cores: usize,
    /// Total memory.
    pub memory: Bytes,
    /// Devices that the driver reports, ordered by PCI address.
    pub devices: Vec<DeviceInfo>,
    /// The reason why no device is measured, as one sentence.
    pub no_device: Option<String>,
}

/// Reasons why a device has reduced its clocks, as flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle(pub u8);

impl Throttle {
    /// The power limit is reached.
    pub const POWER: u8 = 1;
    /// The device is too hot.
    pub const HEAT: u8 = 2;
    /// The hardware requested it, for instance the power supply.
    pub const HARDWARE: u8 = 4;
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::POWER, "power limit"), (Self::HEAT, "temperature"), (Self::HARDWARE, "hardware")];
        let set: Vec<_> =
            names.iter().filter(|(flag, _)| self.0 & flag != 0).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "none" } else { "" })?;
        f.write_str(&set.join(", "))
    }
}

/// One sample of all metrics; a metric that could not be measured is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Time of the sample, on the clock of its monitor or timeline.
    pub at: Secs,
    host: [Option<f64>; HostMetric::ALL.len()],
    cores: Box<[f32]>,
    devices: Vec<[Option<f64>; DeviceMetric::ALL.len()]>,
}

impl Sample {
    /// A sample without values.
    pub fn new(at: Secs) -> Self {
        Self { at, ..Self::default() }
    }

    /// The value of `metric`, if it was measured.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Host(metric) => self.host[metric as usize],
            Metric::Core(core) => self.cores.get(core).map(|&percent| f64::from(percent)),
            Metric::Device(index, metric) => *self.devices.get(index)?.get(metric as usize)?,
        }
    }

    /// The value of a metric of the machine or of this process.
    pub fn host(&self, metric: HostMetric) -> Option<f64> {
        self.host[metric as usize]
    }

    /// The same sample with a value for `metric`; cores are set by [`Sample::with_cores`].
    #[must_use]
    pub fn with(mut self, metric: impl Into<Metric>, value: impl Into<Option<f64>>) -> Self {
        self.set(metric.into(), value.into());
        self
    }

    /// The same sample with the use of each core.
    #[must_use]
    pub fn with_cores(mut self, percent: impl Into<Box<[f32]>>) -> Self {
        self.cores = percent.into();
        self
    }

    pub(super) fn set(&mut self, metric: Metric, value: Option<f64>) {
        match metric {
            Metric::Host(metric) => self.host[metric as usize] = value,
            Metric::Core(_) => {}
            Metric::Device(index, metric) => {
                if self.devices.len() <= index {
                    self.devices.resize(index + 1, Default::default());
                }
                if let Some(device) = self.devices.get_mut(index) {
                    device[metric as usize] = value;
                }
            }
        }
    }

    /// Number of devices with values.
    pub fn num_devices(&self) -> usize {
        self.devices.len()
    }

    /// Use of each core, percent.
    pub fn cores(&self) -> &[f32] {
        &self.cores
    }

    /// Merges several samples: rates are averaged, memory and temperature keep their maximum.
    pub(super) fn merged(samples: &[impl AsRef<Self>]) -> Option<Self> {
        let first = samples.first()?.as_ref();
        let mut merged = first.clone();
        merged.at =
            Secs(samples.iter().map(|sample| sample.as_ref().at.0).sum::<f64>() / samples.len() as f64);
        for metric in HostMetric::ALL {
            let values = samples.iter().filter_map(|sample| sample.as_ref().host(metric));
            merged.set(metric.into(), combined(values, metric.merge()));
        }
        for index in 0..first.num_devices() {
            for device_metric in DeviceMetric::ALL {
                let metric = Metric::Device(index, device_metric);
                let values = samples.iter().filter_map(|sample| sample.as_ref().get(metric));
                merged.set(metric, combined(values, device_metric.merge()));
            }
        }
        for (core, value) in merged.cores.iter_mut().enumerate() {
            let values = samples.iter().filter_map(|sample| sample.as_ref().get(Metric::Core(core)));
            *value = combined(values, Merge::Mean).unwrap_or_default() as f32;
        }
        Some(merged)
    }
}

impl AsRef<Self> for Sample {
    fn as_ref(&self) -> &Self {
        self
    }
}

fn combined(values: impl Iterator<Item = f64>, merge: Merge) -> Option<f64> {
    match merge {
        Merge::Mean => {
            let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
            (count > 0).then(|| sum / f64::from(count))
        }
        Merge::Max => values.reduce(f64::max),
        Merge::Last => values.last(),
        Merge::Any => values.reduce(|a, b| f64::from(a as u8 | b as u8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_averaged_and_memory_keeps_its_peak() {
        let power = Metric::Device(0, DeviceMetric::Throttle);
        let a = Sample::new(Secs(1.0)).with(HostMetric::Cpu, 10.0).with(HostMetric::ProcessMemory, 7.0);
        let b = Sample::new(Secs(3.0)).with(HostMetric::Cpu, 30.0).with(HostMetric::ProcessMemory, 5.0);
        let a = a.with_cores([0.0, 20.0]).with(power, f64::from(Throttle::POWER));
        let b = b.with_cores([40.0, 20.0]).with(power, f64::from(Throttle::HEAT));
        let merged = Sample::merged(&[a, b]).unwrap();
        assert_eq!(merged.at, Secs(2.0));
        assert_eq!(merged.host(HostMetric::Cpu), Some(20.0));
        assert_eq!(merged.host(HostMetric::ProcessMemory), Some(7.0));
        assert_eq!(merged.host(HostMetric::Swap), None, "what was never measured stays unknown");
        assert_eq!(merged.cores(), [20.0, 20.0]);
        assert_eq!(power.format(merged.get(power).unwrap()), "power limit, temperature");
    }
}
