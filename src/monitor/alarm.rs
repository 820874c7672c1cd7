//! Conditions of the machine or of the running job that a person should know at once.

use super::metric::{DeviceMetric, HostMetric, Metric};
use super::sample::{Sample, Throttle};
use super::sampler::MonitorSnapshot;
use super::steps::denoises;
use super::threshold::{Level, Thresholds};
use crate::core::{Bytes, Secs};

/// Temperature of a device from which on it is too hot, °C.
const HOT: f64 = 88.0;
/// Number of median steps without a finished step from which on a job makes no progress.
const STALLED: f64 = 5.0;
/// Number of finished steps from which on a median is trusted.
const FEWEST: usize = 2;
/// A pause between steps that is never reported.
const SHORTEST: f64 = 10.0;

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq)]
pub enum Alarm {
    /// A device is too hot, or lowers its clocks because of its temperature.
    Temperature {
        /// Name of the device.
        device: String,
        /// Its temperature, °C.
        celsius: f64,
    },
    /// Memory of the machine is used above the maximum.
    Memory {
        /// Memory in use, percent.
        percent: f64,
        /// Memory of this process.
        own: Bytes,
    },
    /// Memory of a device is used above the maximum.
    DeviceMemory {
        /// Name of the device.
        device: String,
        /// Memory in use, percent.
        percent: f64,
    },
    /// The running job finished no step for much longer than its steps take.
    NoProgress {
        /// Number of the job.
        job: u64,
        /// Time since its last step.
        since: Secs,
        /// Median of its steps.
        median: Secs,
    },
}

impl Alarm {
    /// What is measured, with the numbers that were compared.
    pub fn message(&self) -> String {
        match self {
            Self::Temperature { device, celsius } => {
                format!("{device} has {celsius:.0} °C: it lowers its clocks and the job slows down")
            }
            Self::Memory { percent, own } => format!(
                "{percent:.0} % of the memory is in use, above the limit of {:.0} %; Wandeck uses {own}",
                Thresholds::MEMORY.maximum
            ),
            Self::DeviceMemory { device, percent } => format!(
                "{percent:.0} % of the memory of {device} is in use, above the limit of {:.0} %",
                Thresholds::DEVICE_MEMORY.maximum
            ),
            Self::NoProgress { job, since, median } => {
                format!("Job {job} finished no step for {since}; its steps take {median}")
            }
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Temperature { .. } => "Pause the queue until it has cooled down, or improve the cooling",
            Self::Memory { .. } => {
                "Close other programs, or pause the job and free its memory, then use smaller VAE tiles or an int8 model"
            }
            Self::DeviceMemory { .. } => {
                "Close other programs that use the device, or use smaller VAE tiles or an int8 model"
            }
            Self::NoProgress { .. } => {
                "Look at disk and memory in the monitor; cancel the job if nothing moves, its finished steps are kept"
            }
        }
    }

    /// Whether both are about the same thing, with other numbers.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Temperature { device: a, .. }, Self::Temperature { device: b, .. })
            | (Self::DeviceMemory { device: a, .. }, Self::DeviceMemory { device: b, .. }) => a == b,
            (Self::Memory { .. }, Self::Memory { .. }) => true,
            (Self::NoProgress { job: a, .. }, Self::NoProgress { job: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// What needs attention now, most urgent first. Memory and temperature count only while a job runs.
pub fn alarms(snapshot: &MonitorSnapshot) -> Vec<Alarm> {
    let runs = snapshot.jobs.last().is_some_and(|job| job.ended.is_none());
    let Some(last) = snapshot.samples.last().filter(|_| runs) else { return Vec::new() };
    let devices = snapshot.machine.devices.iter().enumerate();
    let hot = devices.clone().filter_map(|(index, device)| hot(last, index, &device.name));
    let full = devices.filter_map(|(index, device)| {
        let percent = percent_of(last, Metric::Device(index, DeviceMetric::UsedMemory), device.memory)?;
        let over = Thresholds::DEVICE_MEMORY.level(percent) == Level::Over;
        over.then(|| Alarm::DeviceMemory { device: device.name.clone(), percent })
    });
    hot.chain(memory(snapshot, last)).chain(full).chain(no_progress(snapshot)).collect()
}

fn hot(sample: &Sample, index: usize, name: &str) -> Option<Alarm> {
    let celsius = sample.get(Metric::Device(index, DeviceMetric::Temperature))?;
    let throttle = sample.get(Metric::Device(index, DeviceMetric::Throttle)).unwrap_or_default() as u8;
    let is_hot = celsius >= HOT || throttle & Throttle::HEAT != 0;
    is_hot.then(|| Alarm::Temperature { device: name.to_owned(), celsius })
}

fn memory(snapshot: &MonitorSnapshot, sample: &Sample) -> Option<Alarm> {
    let percent = percent_of(sample, HostMetric::UsedMemory.into(), snapshot.machine.memory)?;
    let own = Bytes(sample.host(HostMetric::ProcessMemory).unwrap_or_default() as u64);
    (Thresholds::MEMORY.level(percent) == Level::Over).then_some(Alarm::Memory { percent, own })
}

fn percent_of(sample: &Sample, metric: Metric, of: Bytes) -> Option<f64> {
    let used = sample.get(metric)?;
    (of.0 > 0).then(|| 100.0 * used / of.0 as f64)
}

/// The job's stage of denoising has been without a finished step for too long.
fn no_progress(snapshot: &MonitorSnapshot) -> Option<Alarm> {
    let job = snapshot.jobs.last()?;
    let span = job.stages.last().filter(|span| span.ended.is_none() && denoises(span.stage))?;
    let steps: Vec<_> = job.steps.iter().filter(|step| denoises(step.stage)).collect();
    let mut seconds: Vec<_> = steps.iter().map(|step| step.seconds.0).collect();
    seconds.sort_by(f64::total_cmp);
    let median = *seconds.get(seconds.len() / 2).filter(|_| seconds.len() >= FEWEST)?;
    // loading the expert comes before its first step
    let last = steps.last().map_or(span.began, |step| Secs(step.ended.0.max(span.began.0)));
    let since = snapshot.now.0 - last.0;
    (since > (STALLED * median).max(SHORTEST)).then_some(Alarm::NoProgress {
        job: job.job,
        since: Secs(since),
        median: Secs(median),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::{Event, Stage};
    use crate::monitor::{DeviceInfo, JobTrack, Machine};

    /// A job with two steps of 4 s that ended at 8 s, and one sample.
    fn snapshot(sample: Sample, now: f64) -> MonitorSnapshot {
        let stage = Stage::DenoiseHigh;
        let mut job = JobTrack::new("a", 7, Secs(0.0));
        job.observe(Secs(0.0), &Event::StageStarted { stage });
        for step in 1..=2 {
            let at = Secs(4.0 * f64::from(step));
            job.observe(at, &Event::Step { stage, step, of: 9, seconds: Secs(4.0) });
        }
        let device = DeviceInfo { name: "Card".to_owned(), memory: Bytes(100), ..DeviceInfo::default() };
        let machine = Machine { memory: Bytes(1000), devices: vec![device], ..Machine::default() };
        MonitorSnapshot {
            machine: Arc::new(machine),
            samples: [Arc::new(sample)].into_iter().collect(),
            jobs: Arc::new(vec![job]),
            now: Secs(now),
        }
    }

    #[test]
    fn a_job_without_a_step_for_five_medians_is_reported() {
        let after = |now| alarms(&snapshot(Sample::new(Secs(now)), now));
        assert_eq!(after(27.0), [], "19 s are less than five steps");
        let found = after(29.0);
        assert_eq!(found, [Alarm::NoProgress { job: 7, since: Secs(21.0), median: Secs(4.0) }]);
        assert_eq!(found[0].message(), "Job 7 finished no step for 21 s; its steps take 4.0 s");
        let mut ended = snapshot(Sample::new(Secs(29.0)), 29.0);
        Arc::make_mut(&mut ended.jobs)[0].end(Secs(29.0));
        assert_eq!(alarms(&ended), []);
    }

    #[test]
    fn memory_and_temperature_have_limits() {
        let device = |metric| Metric::Device(0, metric);
        let kinds = |sample: Sample| alarms(&snapshot(sample, 9.0));
        let at_limit = Sample::new(Secs(9.0))
            .with(HostMetric::UsedMemory, 900.0)
            .with(device(DeviceMetric::UsedMemory), 95.0)
            .with(device(DeviceMetric::Temperature), 87.0);
        assert_eq!(kinds(at_limit.clone()), []);
        let over = at_limit
            .clone()
            .with(HostMetric::UsedMemory, 920.0)
            .with(device(DeviceMetric::UsedMemory), 96.0)
            .with(device(DeviceMetric::Temperature), 88.0);
        let found = kinds(over);
        assert!(matches!(
            found.as_slice(),
            [Alarm::Temperature { .. }, Alarm::Memory { .. }, Alarm::DeviceMemory { .. }]
        ));
        assert!(found[1].message().starts_with("92 % of the memory is in use, above the limit of 90 %"));
        let throttled = at_limit.with(device(DeviceMetric::Throttle), f64::from(Throttle::HEAT));
        assert!(matches!(kinds(throttled).as_slice(), [Alarm::Temperature { .. }]));
        assert!(found[0].is_same_kind(&Alarm::Temperature { device: "Card".into(), celsius: 99.0 }));
        assert!(!found[0].is_same_kind(&found[1]));
    }
}
