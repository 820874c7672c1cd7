//! The data and actions of the monitor panel.

use crate::core::Fix;
use crate::monitor::{MonitorSnapshot, SampleRate, TimeRange, Timeline, csv, in_range, trace};

/// An earlier job with measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct EarlierJob {
    /// Its id.
    pub(in crate::app) uid: String,
    /// Its label, for instance "job 41".
    pub(in crate::app) name: String,
}

/// The data that the monitor shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct MonitorView<'a> {
    /// Measurements: live, or of an earlier job.
    pub(in crate::app) snapshot: &'a MonitorSnapshot,
    /// The earlier job that `snapshot` belongs to; `None` if it is live.
    pub(in crate::app) shown: Option<&'a EarlierJob>,
    /// The earlier job to compare with.
    pub(in crate::app) overlay: Option<&'a Timeline>,
    /// Jobs that can be shown or compared, newest first.
    pub(in crate::app) earlier: &'a [EarlierJob],
    /// Samples per second.
    pub(in crate::app) rate: SampleRate,
}

/// An export format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum ExportFormat {
    /// CSV of the selected range.
    Csv,
    /// A Chrome trace with stages, steps and metrics, for Perfetto.
    Trace,
}

/// Actions of the monitor.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum MonitorAction {
    /// Set the sample rate.
    SetRate(SampleRate),
    /// Show an earlier job by its id, or the live measurements.
    Show(Option<String>),
    /// Compare with an earlier job, or with none.
    Overlay(Option<String>),
    /// Export a range.
    Export(ExportFormat, TimeRange),
    /// Apply a recommended fix to the form.
    Apply(Fix),
}

/// The exported text of `range`.
pub(in crate::app) fn export(snapshot: &MonitorSnapshot, format: ExportFormat, range: TimeRange) -> String {
    let samples = in_range(&snapshot.samples, range);
    match format {
        ExportFormat::Csv => csv(samples, &snapshot.jobs),
        ExportFormat::Trace => {
            let began_before_end = |began| began <= range.to;
            let jobs: Vec<_> = snapshot
                .jobs
                .iter()
                .filter(|job| {
                    began_before_end(job.began) && job.ended.is_none_or(|ended| ended >= range.from)
                })
                .cloned()
                .collect();
            trace(&snapshot.machine, &jobs, samples)
        }
    }
}
