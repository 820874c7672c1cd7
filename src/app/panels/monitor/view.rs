//! What the monitor is shown and what a person can ask of it.

use crate::core::Fix;
use crate::monitor::{MonitorSnapshot, SampleRate, TimeRange, Timeline, csv, in_range, trace};

/// A job that was recorded earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct EarlierJob {
    /// What tells it from every other.
    pub(in crate::app) uid: String,
    /// What a person knows it by, for instance "job 41".
    pub(in crate::app) name: String,
}

/// Borrowed state that the monitor draws.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct MonitorView<'a> {
    /// What was measured: live, or while an earlier job ran.
    pub(in crate::app) snapshot: &'a MonitorSnapshot,
    /// The earlier job that `snapshot` is of; none if it is live.
    pub(in crate::app) shown: Option<&'a EarlierJob>,
    /// The earlier job that is laid over it.
    pub(in crate::app) overlay: Option<&'a Timeline>,
    /// Jobs that can be shown or laid over, newest first.
    pub(in crate::app) earlier: &'a [EarlierJob],
    /// Samples in a second.
    pub(in crate::app) rate: SampleRate,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum ExportFormat {
    /// Numbers of the range for a spreadsheet.
    Csv,
    /// Stages, steps and numbers in one file that Perfetto opens.
    Trace,
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum MonitorAction {
    /// Measure at another rate.
    SetRate(SampleRate),
    /// Show an earlier job by its id, or what is now.
    Show(Option<String>),
    /// Lay an earlier job over what is shown, or none.
    Overlay(Option<String>),
    /// Write a file of a range.
    Export(ExportFormat, TimeRange),
    /// Make a change of the form that was recommended.
    Apply(Fix),
}

/// The text of a file of `range`.
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
