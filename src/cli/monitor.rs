//! `wandeck monitor`: measures the machine for some seconds and plots each metric.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::args::{Common, Monitor as Args};
use super::measured::{machine_lines, one_sample, peak_line, sample_line, sparkline};
use super::report::{note, out, print_document};
use super::signals::stops;
use super::{ExitCode, Places};
use crate::core::{CancelToken, Result, Secs};
use crate::library::MachinePeak;
use crate::monitor::{
    DeviceMetric, HostMetric, Machine, Metric, MetricSummary, Monitor, MonitorDocument, RangeTotals, Sample,
    SampleRate, TimeRange,
};
use crate::store::Settings;

/// How often new samples are checked for.
const POLL: Duration = Duration::from_millis(50);

pub(super) fn run(args: &Args, common: &Common) -> Result<ExitCode> {
    let places = Places::new(common)?;
    if args.calibrate {
        return calibrate(&places.data_dir, common);
    }
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
                note(&format!("{measured}/{wanted}  {}", sample_line(sample)));
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
    let (settings, _) = Settings::load(&places.data_dir);
    let energy = RangeTotals::of(samples, range_of(samples)).energy;
    let cost = settings.monitor.price().and_then(|price| price.text(energy));
    out(&format!("Energy: {energy}{}", cost.map(|cost| format!(", {cost}")).unwrap_or_default()));
    if let Some(peak) = MachinePeak::load(&places.data_dir, &snapshot.machine)? {
        out(&peak_line(&peak));
    }
    Ok(ExitCode::Done)
}

/// Measures the machine's peak speed and keeps it.
fn calibrate(data_dir: &Path, common: &Common) -> Result<ExitCode> {
    let snapshot = one_sample()?;
    let peak = MachinePeak::measure(data_dir, &snapshot.machine, &CancelToken::new())?;
    peak.save(data_dir)?;
    if common.json {
        print_document(&peak);
    } else {
        out(&peak_line(&peak));
    }
    Ok(ExitCode::Done)
}

/// From the first to the last sample.
fn range_of<S: AsRef<Sample>>(samples: &[S]) -> TimeRange {
    let at = |sample: Option<&S>| sample.map_or(Secs(0.0), |sample| sample.as_ref().at);
    TimeRange { from: at(samples.first()), to: at(samples.last()) }
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
    let mut lines = machine_lines(machine);
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

#[cfg(test)]
mod tests {
    use super::*;

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
