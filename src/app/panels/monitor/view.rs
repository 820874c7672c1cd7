//! The data and actions of the monitor panel.

use super::plot_image::PlotImage;
use super::row_choice::RowChoice;
use crate::core::{Error, Kind, Result};
use crate::library::{MachinePeak, Remedy};
use crate::monitor::{
    JobTrack, MonitorSnapshot, Price, SampleRate, TimeRange, Timeline, csv, in_range, trace,
};

/// What a part without samples is.
pub(super) const NOTHING_MEASURED: &str = "This part is shorter than the time between two measurements";

/// An earlier job with measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct EarlierJob {
    /// Unique identifier of the job.
    pub(in crate::app) uid: String,
    /// Its label, for instance "job 41 · a red circle · 2026-11-26 13:18".
    pub(in crate::app) name: String,
}

/// What is known of the machine's peak speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::app) enum PeakView<'a> {
    /// It was never measured.
    Unknown,
    /// It is being measured.
    Measuring,
    /// It was measured.
    Known(&'a MachinePeak),
}

/// Borrowed state that the monitor draws.
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
    /// The machine's peak speed.
    pub(in crate::app) peak: PeakView<'a>,
    /// Price of energy; none if no price is set.
    pub(in crate::app) price: Option<&'a Price>,
    /// The rows that are shown.
    pub(in crate::app) rows: RowChoice,
}

/// An export format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum ExportFormat {
    /// CSV of the selected range.
    Csv,
    /// A Chrome trace with stages, steps and metrics, for Perfetto.
    Trace,
    /// The plots of the range as an image in the window's theme.
    Png {
        /// Whether the background is dark.
        is_dark: bool,
    },
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
    /// Show these rows.
    Rows(RowChoice),
    /// Measure the machine's peak speed.
    MeasurePeak,
    /// Do what was recommended.
    Apply(Remedy),
}

impl MonitorView<'_> {
    /// The bytes of a file of `range`.
    pub(in crate::app) fn export(self, format: ExportFormat, range: TimeRange) -> Result<Vec<u8>> {
        let snapshot = self.snapshot;
        let samples = in_range(&snapshot.samples, range);
        if samples.is_empty() && format == ExportFormat::Csv {
            return Err(Error::new(Kind::Input, NOTHING_MEASURED).remedy("Select a longer part"));
        }
        match format {
            ExportFormat::Csv => Ok(csv(samples, &snapshot.jobs).into_bytes()),
            ExportFormat::Trace => {
                let is_seen = |job: &&JobTrack| {
                    job.began <= range.to && job.ended.is_none_or(|ended| ended >= range.from)
                };
                let jobs: Vec<_> = snapshot.jobs.iter().filter(is_seen).cloned().collect();
                Ok(trace(&snapshot.machine, &jobs, samples).into_bytes())
            }
            ExportFormat::Png { is_dark } => PlotImage { view: self, range, is_dark }.png(),
        }
    }
}
