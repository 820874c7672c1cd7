//! `wandeck monitor`: measures the machine for some seconds and plots each metric.

use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::ExitCode;
use super::args::{Common, Monitor as Args};
use super::report::{note, out, print_document};
use super::signals::stops;
use crate::core::Result;
use crate::monitor::{
    DeviceMetric, HostMetric, Machine, Metric, MetricSummary, Monitor, MonitorDocument, Sample, SampleRate,
};

/// How often new samples are checked for.
const POLL: Duration = Duration::from_millis(50);
/// Width of a sparkline in characters.
const SPARKLINE: usize = 40;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn run(args: &Args, common: &Common) -> Result<ExitCode> {
    let stops = stops()?;
    let monitor = Monitor::start(SampleRate::SLOWEST)?;
    let wanted = args.count as usize;
    let mut seen = 0;
    let snapshot = loop {
        let stopped = stops.recv_timeout(POLL) != Err(RecvTimeoutError::Timeout);
        let snapshot = monitor.snapshot();
        // the first sample has no rates yet
        let measured = snapshot.samples.len().saturating_sub(1);
        if measured > seen && !common.json {
            if let Some(sample) = snapshot.samples.last() {
                note(&line(measured, wanted, sample));
            }
            seen = measured;
        }
        if stopped || measured >= wanted {
            break snapshot;
        }
    };
    let samples = snapshot.samples.get(1..).unwrap_or_default();
    if common.json {
        print_document(MonitorDocument::new(&snapshot));
        return Ok(ExitCode::Done);
    }
    for text in table(&snapshot.machine, samples) {
        out(&text);
    }
    Ok(ExitCode::Done)
}

/// The most important values of one sample, in one line.
fn line(number: usize, of: usize, sample: &Sample) -> String {
    let metrics = [HostMetric::Cpu, HostMetric::UsedMemory, HostMetric::DiskRead].map(Metric::from);
    let devices = (0..sample.num_devices()).map(|index| Metric::Device(index, DeviceMetric::Use));
    let words = |metric: Metric| Some(format!("{metric} {}", metric.format(sample.get(metric)?)));
    let numbers: Vec<_> = metrics.into_iter().chain(devices).filter_map(words).collect();
    format!("{number}/{of}  {}", numbers.join("  "))
}

/// The metrics with values, in the order of the tables.
fn measured(machine: &Machine, samples: &[impl AsRef<Sample>]) -> Vec<Metric> {
    let devices = (0..machine.devices.len())
        .flat_map(|index| DeviceMetric::ALL.into_iter().map(move |metric| Metric::Device(index, metric)));
    let has = |metric: &Metric| samples.iter().any(|sample| sample.as_ref().get(*metric).is_some());
    HostMetric::ALL.into_iter().map(Metric::from).chain(devices).filter(has).collect()
}

/// A line for each metric: last value, minimum, mean, 95th percentile, maximum, and a sparkline.
fn table(machine: &Machine, samples: &[impl AsRef<Sample>]) -> Vec<String> {
    let head = ["Metric", "now", "min", "avg", "p95", "max"];
    let row = |cells: [String; 6], plot: &str| {
        let [name, now, min, avg, p95, max] = cells;
        format!("{name:<20} {now:>12} {min:>12} {avg:>12} {p95:>12} {max:>12}  {plot}").trim_end().to_owned()
    };
    let mut lines = vec![format!("{} cores, {} of memory", machine.cores, machine.memory)];
    lines.extend(machine.devices.iter().map(|device| format!("{}, {}", device.name, device.memory)));
    lines.extend(machine.no_device.clone());
    lines.push(row(head.map(str::to_owned), ""));
    for metric in measured(machine, samples) {
        let Some(summary) = MetricSummary::of(samples, metric) else { continue };
        let numbers = [summary.now, summary.min, summary.avg, summary.p95, summary.max];
        let [now, min, avg, p95, max] = numbers.map(|value| metric.format(value));
        let values: Vec<_> = samples.iter().map(|sample| sample.as_ref().get(metric)).collect();
        lines.push(row([metric.to_string(), now, min, avg, p95, max], &sparkline(&values)));
    }
    lines
}

/// A character for each of the last values, scaled from zero to the largest value.
fn sparkline(values: &[Option<f64>]) -> String {
    let values = values.get(values.len().saturating_sub(SPARKLINE)..).unwrap_or_default();
    let largest = values.iter().flatten().copied().fold(0.0, f64::max);
    let level = |value: f64| {
        let part = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
        LEVELS[(part * (LEVELS.len() - 1) as f64).round() as usize]
    };
    values.iter().map(|value| value.map_or(' ', level)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Secs;

    #[test]
    fn a_small_plot_shows_gaps_and_the_largest_value() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(50.0), Some(100.0)]), "▁ ▅█");
        assert_eq!(sparkline(&[Some(0.0)]), "▁", "nothing at all is no division by zero");
        assert_eq!(sparkline(&vec![Some(1.0); 100]).chars().count(), SPARKLINE);
    }

    #[test]
    fn the_table_leaves_out_what_is_not_measured() {
        let samples: Vec<_> =
            (1..=4).map(|at| Sample::new(Secs(f64::from(at))).with(HostMetric::Cpu, f64::from(at))).collect();
        let machine = Machine { no_device: Some("No NVIDIA driver".into()), ..Machine::default() };
        let lines = table(&machine, &samples);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[1], "No NVIDIA driver");
        let words: Vec<_> = lines[3].split_whitespace().collect();
        assert_eq!(words, ["CPU", "4", "%", "1", "%", "2", "%", "4", "%", "4", "%", "▃▅▆█"]);
    }
}
