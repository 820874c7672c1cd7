//! What `monitor`, `status` and `analysis` say about measurements: the machine, sparklines, and the recorded jobs.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::core::{Result, Secs, Utc, counted};
use crate::library::{MachinePeak, PerformanceStore};
use crate::monitor::{
    DeviceMetric, Energy, HostMetric, Machine, Metric, Monitor, MonitorSnapshot, Price, RangeTotals, Sample,
    SampleRate, StageRate, StepStatistics, TimeRange, Timeline,
};

/// Width of a sparkline in characters.
pub(super) const SPARKLINE: usize = 40;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Longest time to wait for the first rates.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often new samples are checked for.
const POLL: Duration = Duration::from_millis(50);

/// One character per value, the last ones if there are many; the scale starts at zero.
pub(super) fn sparkline(values: &[Option<f64>]) -> String {
    let values = values.get(values.len().saturating_sub(SPARKLINE)..).unwrap_or_default();
    let largest = values.iter().flatten().copied().fold(0.0, f64::max);
    let level = |value: f64| {
        let part = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
        LEVELS[(part * (LEVELS.len() - 1) as f64).round() as usize]
    };
    values.iter().map(|value| value.map_or(' ', level)).collect()
}

/// The machine in one or more lines: cores and memory, devices or the reason why there is none.
pub(super) fn machine_lines(machine: &Machine) -> Vec<String> {
    let mut lines = vec![format!("{} cores, {} of memory", machine.cores, machine.memory)];
    lines.extend(machine.devices.iter().map(|device| format!("{}, {}", device.name, device.memory)));
    lines.extend(machine.no_device.clone());
    lines
}

/// The most important values of one sample, in one line.
pub(super) fn sample_line(sample: &Sample) -> String {
    let metrics = [HostMetric::Cpu, HostMetric::UsedMemory, HostMetric::DiskRead].map(Metric::from);
    let devices = (0..sample.num_devices()).map(|index| Metric::Device(index, DeviceMetric::Use));
    let words = |metric: Metric| Some(format!("{metric} {}", metric.format(sample.get(metric)?)));
    let numbers: Vec<_> = metrics.into_iter().chain(devices).filter_map(words).collect();
    numbers.join("  ")
}

/// The machine's measured peak speed in one line.
pub(super) fn peak_line(peak: &MachinePeak) -> String {
    let MachinePeak { flops, provider, compute, measured, .. } = peak;
    format!("Peak speed {} ({provider}, {compute}, measured {measured})", StageRate::text(*flops))
}

/// The first sample with rates.
pub(super) fn one_sample() -> Result<MonitorSnapshot> {
    let monitor = Monitor::start(SampleRate::FASTEST)?;
    let began = Instant::now();
    loop {
        let snapshot = monitor.snapshot();
        if snapshot.samples.len() > 1 || began.elapsed() > PATIENCE {
            return Ok(snapshot);
        }
        std::thread::park_timeout(POLL);
    }
}

/// What was recorded of jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct RecordedJobs {
    /// Number of recorded jobs.
    pub(super) num_jobs: usize,
    /// Energy of all of them; a part is `None` if it was not measured in any.
    pub(super) energy: Energy,
    /// Median of the denoising steps of each job with steps, oldest first.
    pub(super) step_medians: Vec<Secs>,
}

impl RecordedJobs {
    /// The jobs of a data folder that were recorded since `since`.
    pub(super) fn since(data_dir: &Path, since: Utc) -> Self {
        let store = PerformanceStore::new(data_dir);
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(since.0.max(0) as u64);
        let mut found = Self::default();
        for job in store.list().into_iter().rev().filter(|job| job.written >= since) {
            match store.load(&job.uid) {
                Ok(Some(timeline)) => found.add(&timeline),
                Ok(None) => {}
                Err(error) => tracing::warn!("{error:#}"),
            }
        }
        found
    }

    fn add(&mut self, timeline: &Timeline) {
        let Energy { cpu, devices } = energy_of(timeline);
        let sum = |a: Option<f64>, b: Option<f64>| [a, b].into_iter().flatten().reduce(|a, b| a + b);
        self.num_jobs += 1;
        self.energy = Energy { cpu: sum(self.energy.cpu, cpu), devices: sum(self.energy.devices, devices) };
        let steps = StepStatistics::of(&timeline.track, &timeline.samples);
        self.step_medians.extend(steps.map(|steps| steps.median));
    }

    /// The sentences of `analysis`.
    pub(super) fn lines(&self, price: Option<&Price>) -> Vec<String> {
        if self.num_jobs == 0 {
            return Vec::new();
        }
        let cost = price.and_then(|price| price.text(self.energy)).map(|cost| format!(", {cost}"));
        let mut lines = vec![format!(
            "Energy of {}: {}{}",
            counted(self.num_jobs as u64, "job"),
            self.energy,
            cost.unwrap_or_default()
        )];
        if let Some(last) = self.step_medians.last() {
            let values: Vec<_> = self.step_medians.iter().map(|median| Some(median.0)).collect();
            lines.push(format!("Median step of each job, the last {:.3} s: {}", last.0, sparkline(&values)));
        }
        lines
    }
}

/// Energy of a job.
pub(super) fn energy_of(timeline: &Timeline) -> Energy {
    let range = TimeRange { from: Secs(0.0), to: timeline.duration() };
    RangeTotals::of(&timeline.samples, range).energy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Stage};
    use crate::monitor::JobTrack;

    #[test]
    fn a_sparkline_shows_gaps_and_the_largest_value() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(50.0), Some(100.0)]), "▁ ▅█");
        assert_eq!(sparkline(&[Some(0.0)]), "▁", "no division by zero");
        assert_eq!(sparkline(&vec![Some(1.0); 100]).chars().count(), SPARKLINE);
    }

    #[test]
    fn recorded_jobs_are_summed() {
        let dir = tempfile::tempdir().unwrap();
        let store = PerformanceStore::new(dir.path());
        let stage = Stage::DenoiseHigh;
        for (uid, watts) in [("a", 50.0), ("b", 100.0)] {
            let mut track = JobTrack::new(uid, 1, Secs(0.0));
            track.observe(Secs(0.0), &Event::StageStarted { stage });
            track.observe(Secs(2.0), &Event::Step { stage, step: 1, of: 1, seconds: Secs(2.0) });
            track.end(Secs(10.0));
            let sample = Sample::new(Secs(10.0)).with(HostMetric::CpuPower, watts);
            store.add(Timeline { track, samples: vec![sample], ..Timeline::default() }).unwrap();
        }
        let jobs = RecordedJobs::since(dir.path(), Utc(0));
        assert_eq!((jobs.num_jobs, jobs.energy.cpu, jobs.energy.devices), (2, Some(1500.0), None));
        let price = Price { per_kwh: 2.4, currency: "EUR".into() };
        assert_eq!(
            jobs.lines(Some(&price)),
            [
                "Energy of 2 jobs: 1.5 kJ (0.42 Wh), CPU only, 0.001 EUR",
                "Median step of each job, the last 2.000 s: ██"
            ]
        );
        let later = RecordedJobs::since(dir.path(), Utc(Utc::now().0 + 3600));
        assert_eq!(later.lines(None), Vec::<String>::new());
    }
}
