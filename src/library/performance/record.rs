//! The measurement file of one job: JSON version 1 with one column per metric.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Secs, Stage, StageForecast, Utc};
use crate::monitor::{
    DeviceMetric, HostMetric, JobTrack, Machine, Metric, ProfileFile, Sample, StageSpan, StepSpan, Timeline,
};

/// The version that this program writes.
pub(super) const VERSION: u32 = 1;

/// A timeline as stored on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) version: u32,
    uid: String,
    job: u64,
    started: Utc,
    seconds: Option<f64>,
    forecast: Option<Bytes>,
    stage_forecasts: Vec<StageForecast>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<ProfileFile>,
    machine: Machine,
    stages: Vec<StageRecord>,
    steps: Vec<StepRecord>,
    /// Time of each sample in seconds since the start of the job.
    at: Vec<f64>,
    /// Values of each measured metric, as many as `at`.
    host: BTreeMap<HostMetric, Vec<Option<f64>>>,
    devices: Vec<BTreeMap<DeviceMetric, Vec<Option<f64>>>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StageRecord {
    stage: Stage,
    began: f64,
    ended: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StepRecord {
    stage: Stage,
    step: u32,
    of: u32,
    ended: f64,
    seconds: f64,
}

impl From<&Timeline> for Record {
    fn from(timeline: &Timeline) -> Self {
        let track = &timeline.track;
        let stage = |span: &StageSpan| StageRecord {
            stage: span.stage,
            began: rounded(span.began.0),
            ended: span.ended.map(|ended| rounded(ended.0)),
        };
        let step = |span: &StepSpan| StepRecord {
            stage: span.stage,
            step: span.step,
            of: span.of,
            ended: rounded(span.ended.0),
            seconds: rounded(span.seconds.0),
        };
        let column = |metric: Metric| -> Vec<Option<f64>> {
            timeline.samples.iter().map(|sample| sample.get(metric).map(rounded)).collect()
        };
        let known = |column: &Vec<Option<f64>>| column.iter().any(Option::is_some);
        let host = HostMetric::ALL.into_iter().map(|metric| (metric, column(metric.into())));
        let device = |index| {
            let columns =
                DeviceMetric::ALL.into_iter().map(|metric| (metric, column(Metric::Device(index, metric))));
            columns.filter(|(_, column)| known(column)).collect()
        };
        Self {
            version: VERSION,
            uid: track.uid.clone(),
            job: track.job,
            started: timeline.started,
            seconds: track.ended.map(|ended| rounded(ended.0)),
            forecast: track.forecast,
            stage_forecasts: track.stage_forecasts.clone(),
            profiles: track.profiles.clone(),
            machine: timeline.machine.clone(),
            stages: track.stages.iter().map(stage).collect(),
            steps: track.steps.iter().map(step).collect(),
            at: timeline.samples.iter().map(|sample| rounded(sample.at.0)).collect(),
            host: host.filter(|(_, column)| known(column)).collect(),
            devices: (0..timeline.machine.devices.len()).map(device).collect(),
        }
    }
}

impl From<Record> for Timeline {
    fn from(record: Record) -> Self {
        let stage = |span: StageRecord| StageSpan {
            stage: span.stage,
            began: Secs(span.began),
            ended: span.ended.map(Secs),
        };
        let step = |span: StepRecord| StepSpan {
            stage: span.stage,
            step: span.step,
            of: span.of,
            ended: Secs(span.ended),
            seconds: Secs(span.seconds),
        };
        let sample = |(row, &at): (usize, &f64)| {
            let number = |column: &Vec<Option<f64>>| column.get(row).copied().flatten();
            let mut sample = Sample::new(Secs(at));
            for (&metric, column) in &record.host {
                sample = sample.with(metric, number(column));
            }
            for (index, columns) in record.devices.iter().enumerate() {
                for (&metric, column) in columns {
                    sample = sample.with(Metric::Device(index, metric), number(column));
                }
            }
            sample
        };
        let samples = record.at.iter().enumerate().map(sample).collect();
        let track = JobTrack {
            ended: record.seconds.map(Secs),
            stages: record.stages.into_iter().map(stage).collect(),
            steps: record.steps.into_iter().map(step).collect(),
            forecast: record.forecast,
            stage_forecasts: record.stage_forecasts,
            profiles: record.profiles,
            ..JobTrack::new(record.uid, record.job, Secs(0.0))
        };
        Self { started: record.started, track, machine: record.machine, samples }
    }
}

/// Rounded to three decimals, the precision of the measurement.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
