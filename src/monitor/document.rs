//! The document that `wandeck monitor --json` prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::metric::{DeviceMetric, HostMetric, Metric};
use super::range::{MetricSummary, RangeTotals, TimeRange};
use super::sample::{Machine, Sample};
use super::sampler::MonitorSnapshot;
use crate::core::Secs;

/// Machine, samples, a summary of each metric, totals.
#[derive(Clone, Debug, Serialize)]
pub struct MonitorDocument {
    /// The machine.
    pub machine: Arc<Machine>,
    /// The samples, oldest first.
    pub samples: Vec<SampleDocument>,
    /// Summary of each metric that was measured.
    pub summary: BTreeMap<HostMetric, MetricSummary>,
    /// Totals over all samples.
    pub totals: RangeTotals,
}

/// One sample. A metric that was not measured is null.
#[derive(Clone, Debug, Serialize)]
pub struct SampleDocument {
    /// When it was taken, in seconds since the start.
    pub at: Secs,
    /// Metrics of the machine.
    #[serde(flatten)]
    pub host: BTreeMap<HostMetric, Option<f64>>,
    /// Use of each core in percent.
    pub cores: Vec<f32>,
    /// Metrics of each device.
    pub devices: Vec<BTreeMap<DeviceMetric, Option<f64>>>,
}

impl MonitorDocument {
    /// The document of all samples but the first, which has no rates yet.
    pub fn new(snapshot: &MonitorSnapshot) -> Self {
        let samples = snapshot.samples.get(1..).unwrap_or_default();
        let began = samples.first().map_or(Secs(0.0), |sample| sample.at);
        let range = TimeRange { from: began, to: samples.last().map_or(began, |sample| sample.at) };
        let summary = |metric: HostMetric| Some((metric, MetricSummary::of(samples, metric.into())?));
        Self {
            machine: Arc::clone(&snapshot.machine),
            samples: samples.iter().map(|sample| SampleDocument::new(sample)).collect(),
            summary: HostMetric::ALL.into_iter().filter_map(summary).collect(),
            totals: RangeTotals::of(samples, range),
        }
    }
}

impl SampleDocument {
    fn new(sample: &Sample) -> Self {
        let device = |index| {
            let value = |metric| (metric, sample.get(Metric::Device(index, metric)));
            DeviceMetric::ALL.into_iter().map(value).collect()
        };
        Self {
            at: sample.at,
            host: HostMetric::ALL.into_iter().map(|metric| (metric, sample.host(metric))).collect(),
            cores: sample.cores().to_vec(),
            devices: (0..sample.num_devices()).map(device).collect(),
        }
    }
}
