//! Measurements as comma-separated values (RFC 4180), for spreadsheets.

use std::fmt::Write as _;

use super::metric::{DeviceMetric, HostMetric, Metric};
use super::sample::Sample;
use super::track::JobTrack;

/// A header and one line per sample: seconds, job, stage and every metric that has a value in some sample.
pub fn csv<S: AsRef<Sample>>(samples: &[S], jobs: &[JobTrack]) -> String {
    let columns = measured(samples);
    let mut text = "seconds,job,stage".to_owned();
    for metric in &columns {
        // the unit of the raw number, not of its formatted text
        let heading = format!(",\"{metric} ({:?})\"", metric.unit());
        text += &heading.to_lowercase();
    }
    text.push('\n');
    for sample in samples.iter().map(AsRef::as_ref) {
        let at = sample.at;
        let job = jobs.iter().find(|job| job.began <= at && job.ended.is_none_or(|ended| at <= ended));
        let number = job.map(|job| job.job.to_string()).unwrap_or_default();
        let stage = job.and_then(|job| job.stage_at(at)).map(|span| span.stage.to_string());
        // writing to a string cannot fail
        write!(text, "{:.3},{number},\"{}\"", at.0, stage.unwrap_or_default()).unwrap_or_default();
        for metric in &columns {
            text.push(',');
            if let Some(value) = sample.get(*metric) {
                // writing to a string cannot fail
                write!(text, "{value:.3}").unwrap_or_default();
            }
        }
        text.push('\n');
    }
    text
}

/// Metrics that have a value in at least one sample.
pub(super) fn measured<S: AsRef<Sample>>(samples: &[S]) -> Vec<Metric> {
    let has = |metric: &Metric| samples.iter().any(|sample| sample.as_ref().get(*metric).is_some());
    let devices = samples.iter().map(|sample| sample.as_ref().num_devices()).max().unwrap_or_default();
    let of_devices = (0..devices)
        .flat_map(|index| DeviceMetric::ALL.into_iter().map(move |metric| Metric::Device(index, metric)));
    HostMetric::ALL.into_iter().map(Metric::from).chain(of_devices).filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Secs, Stage};

    #[test]
    fn unmeasured_metrics_have_no_column_and_gaps_are_empty() {
        let mut job = JobTrack::new("a", 7, Secs(0.5));
        job.observe(Secs(0.5), &Event::StageStarted { stage: Stage::DenoiseHigh });
        let samples = [
            Sample::new(Secs(0.0)).with(HostMetric::DiskRead, 5.0),
            Sample::new(Secs(1.0)).with(HostMetric::Cpu, 97.25),
        ];
        assert_eq!(
            csv(&samples, &[job]),
            "seconds,job,stage,\"cpu (percent)\",\"disk read (bytespersecond)\"\n\
             0.000,,\"\",,5.000\n\
             1.000,7,\"Denoise, high noise\",97.250,\n"
        );
    }
}
