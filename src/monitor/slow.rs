//! Causes of slow jobs, from the measurements taken while they ran.

use std::fmt;

use super::metric::{DeviceMetric, HostMetric, Metric};
use super::range::TimeRange;
use super::sample::{Sample, Throttle};
use super::track::JobTrack;
use crate::core::{Secs, Stage};

/// Swap traffic from which on it slows a job, bytes per second.
const SWAPPING: f64 = 1048576.0;
/// Page faults per second from which on memory is short.
const FAULTING: f64 = 50.0;
/// Disk reads from which on they may explain a slow stage, bytes per second.
const READING: f64 = 20.0 * 1048576.0;
/// Use of all cores by this process below which it counts as waiting, percent.
const WAITING: f64 = 50.0;
/// Use of all cores by other processes from which on they slow the job, percent.
const OTHERS: f64 = 25.0;
/// Use of all cores from which on the CPU counts as fully used, percent.
const BUSY: f64 = 85.0;
/// Use of a device from which on it counts as computing, percent.
const DEVICE_WORKS: f64 = 10.0;

/// The cause of a slowdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlowCause {
    /// A device lowered its clocks; the flags are those of [`Throttle`].
    Throttled(u8),
    /// The machine moved memory to and from swap.
    Swap,
    /// Pages that the system had evicted from memory were read from disk again.
    PageFaults,
    /// Other programs used the processor.
    OtherProcess,
    /// The job waited while weights were read from disk.
    Disk,
    /// Cores were idle while the job computed.
    FewThreads,
}

impl fmt::Display for SlowCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled(flags) => write!(f, "lower clocks ({})", Throttle(*flags)),
            Self::Swap => f.write_str("swapping"),
            Self::PageFaults => f.write_str("page faults"),
            Self::OtherProcess => f.write_str("other programs on the CPU"),
            Self::Disk => f.write_str("reading weights from disk"),
            Self::FewThreads => f.write_str("idle cores"),
        }
    }
}

/// A time range in which a job was slowed by one cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slowdown {
    /// The cause.
    pub cause: SlowCause,
    /// The time range.
    pub range: TimeRange,
}

/// The slowdowns of `job`, in order. Each sample counts for the time since the previous one.
pub fn slowdowns<S: AsRef<Sample>>(job: &JobTrack, samples: &[S]) -> Vec<Slowdown> {
    let mut found: Vec<Slowdown> = Vec::new();
    let mut before = job.began;
    for sample in samples.iter().map(AsRef::as_ref) {
        let range = TimeRange { from: before, to: sample.at };
        if sample.at <= job.began {
            continue;
        }
        if job.ended.is_some_and(|ended| before >= ended) {
            break;
        }
        before = sample.at;
        let middle = Secs(f64::midpoint(range.from.0, range.to.0));
        let Some(stage) = job.stage_at(middle).map(|span| span.stage) else { continue };
        let Some(cause) = cause(sample, stage) else { continue };
        match found.last_mut().filter(|last| last.cause == cause && last.range.to == range.from) {
            Some(last) => last.range.to = range.to,
            None => found.push(Slowdown { cause, range }),
        }
    }
    found
}

/// The most severe cause in `sample` that slows `stage`, if any.
pub(super) fn cause(sample: &Sample, stage: Stage) -> Option<SlowCause> {
    let host = |metric: HostMetric| sample.host(metric).unwrap_or_default();
    let throttle = (0..sample.num_devices())
        .filter_map(|index| sample.get(Metric::Device(index, DeviceMetric::Throttle)))
        .fold(0, |flags, value| flags | value as u8);
    let device_works = (0..sample.num_devices())
        .filter_map(|index| sample.get(Metric::Device(index, DeviceMetric::Use)))
        .any(|percent| percent >= DEVICE_WORKS);
    let computes = matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow | Stage::Decode | Stage::Image);
    let waits = sample.host(HostMetric::ProcessCpu).is_some_and(|percent| percent < WAITING);
    let others = host(HostMetric::Cpu) - host(HostMetric::ProcessCpu);
    if throttle & (Throttle::HEAT | Throttle::HARDWARE) != 0 {
        return Some(SlowCause::Throttled(throttle));
    }
    if host(HostMetric::SwapTraffic) >= SWAPPING {
        return Some(SlowCause::Swap);
    }
    let reads = host(HostMetric::DiskRead) >= READING;
    if computes && host(HostMetric::MajorFaults) >= FAULTING {
        return Some(SlowCause::PageFaults);
    }
    if reads && waits {
        return Some(SlowCause::Disk);
    }
    if others >= OTHERS && host(HostMetric::Cpu) >= BUSY {
        return Some(SlowCause::OtherProcess);
    }
    if throttle != 0 {
        return Some(SlowCause::Throttled(throttle));
    }
    (computes && waits && !device_works && host(HostMetric::Cpu) < BUSY).then_some(SlowCause::FewThreads)
}

/// Summary of the two main causes in one sentence; `of` is the duration of the job.
pub fn why_slow(slowdowns: &[Slowdown], of: Secs) -> String {
    let mut causes: Vec<(SlowCause, f64)> = Vec::new();
    for slowdown in slowdowns {
        let seconds = slowdown.range.seconds().0;
        match causes.iter_mut().find(|(cause, _)| *cause == slowdown.cause) {
            Some((_, sum)) => *sum += seconds,
            None => causes.push((slowdown.cause, seconds)),
        }
    }
    causes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let part = |seconds: f64| 100.0 * seconds / of.0.max(f64::EPSILON);
    // a cause of less than 1 % explains nothing
    causes.retain(|&(_, seconds)| part(seconds) >= 1.0);
    let words: Vec<_> = causes
        .iter()
        .take(2)
        .map(|&(cause, seconds)| format!("{cause} for {} ({:.0} %)", Secs(seconds), part(seconds).min(100.0)))
        .collect();
    if words.is_empty() {
        return "No slowdown: compute-bound".to_owned();
    }
    format!("Why slow: {}; otherwise compute-bound", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Event;

    fn job() -> JobTrack {
        let mut job = JobTrack::new("a", 1, Secs(0.0));
        job.observe(Secs(0.0), &Event::StageStarted { stage: Stage::Text });
        job.observe(Secs(4.0), &Event::StageStarted { stage: Stage::DenoiseHigh });
        job.end(Secs(10.0));
        job
    }

    fn busy(at: f64) -> Sample {
        Sample::new(Secs(at)).with(HostMetric::Cpu, 98.0).with(HostMetric::ProcessCpu, 96.0)
    }

    #[test]
    fn a_job_that_computes_has_no_slowdown() {
        let samples: Vec<_> = (1..=10).map(|at| busy(f64::from(at))).collect();
        let found = slowdowns(&job(), &samples);
        assert_eq!(found, []);
        assert_eq!(why_slow(&found, Secs(10.0)), "No slowdown: compute-bound");
    }

    #[test]
    fn adjacent_samples_with_one_cause_are_one_slowdown() {
        let reading = |at| busy(at).with(HostMetric::ProcessCpu, 10.0).with(HostMetric::DiskRead, 1e9);
        let busy_after = (3..=10).map(|at| busy(f64::from(at)));
        let samples: Vec<_> = [reading(1.0), reading(2.0)].into_iter().chain(busy_after).collect();
        let found = slowdowns(&job(), &samples);
        assert_eq!(
            found,
            [Slowdown { cause: SlowCause::Disk, range: TimeRange { from: Secs(0.0), to: Secs(2.0) } }]
        );
        assert_eq!(
            why_slow(&found, Secs(10.0)),
            "Why slow: reading weights from disk for 2.0 s (20 %); otherwise compute-bound"
        );
    }

    #[test]
    fn each_cause_is_recognised_by_its_metrics() {
        let idle = busy(1.0).with(HostMetric::Cpu, 30.0).with(HostMetric::ProcessCpu, 25.0);
        let throttle = Metric::Device(0, DeviceMetric::Throttle);
        let gpu = Metric::Device(0, DeviceMetric::Use);
        let cases = [
            (busy(1.0).with(HostMetric::SwapTraffic, 5e6), Some(SlowCause::Swap)),
            (busy(1.0).with(HostMetric::MajorFaults, 400.0), Some(SlowCause::PageFaults)),
            (busy(1.0).with(HostMetric::ProcessCpu, 60.0), Some(SlowCause::OtherProcess)),
            (idle.clone(), Some(SlowCause::FewThreads)),
            (idle.clone().with(gpu, 99.0), None),
            (busy(1.0).with(throttle, f64::from(Throttle::HEAT)), Some(SlowCause::Throttled(Throttle::HEAT))),
        ];
        for (sample, expected) in cases {
            assert_eq!(cause(&sample, Stage::DenoiseHigh), expected, "{sample:?}");
        }
        assert_eq!(cause(&idle, Stage::Text), None, "idle cores are normal while loading");
        assert_eq!(SlowCause::Throttled(Throttle::HEAT).to_string(), "lower clocks (temperature)");
    }

    #[test]
    fn samples_outside_the_job_are_ignored() {
        let swapping = |at| busy(at).with(HostMetric::SwapTraffic, 5e6);
        let samples = [swapping(-3.0), swapping(-1.0), busy(5.0), busy(10.0), swapping(15.0)];
        assert_eq!(slowdowns(&job(), &samples), []);
    }
}
