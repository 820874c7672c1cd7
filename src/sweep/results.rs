//! What became of the cells of a sweep.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::axis::Axis;
use super::field::SweepField;
use super::search::SearchTrace;
use super::store::SweepRecord;
use crate::core::{DOCUMENT_VERSION, Draft, Secs};
use crate::jobs::{HistoryEntry, Job, JobId, JobStatus};

/// A sweep with the state of each cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepTable {
    /// See [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Id of the sweep.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The folder of its videos.
    pub folder: PathBuf,
    /// The fields that its axes set.
    pub fields: Vec<String>,
    /// The cells, in the order in which they run.
    pub cells: Vec<CellResult>,
    /// What its search has found; none if it is no search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchTrace>,
}

/// The state of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CellResult {
    /// Its place on each axis, counted from 0.
    pub place: Vec<u32>,
    /// What the axes set, in the order of the fields.
    #[serde(serialize_with = "as_texts")]
    pub values: Vec<(SweepField, String)>,
    /// Fields and values in one line.
    pub label: String,
    /// Its job in the queue.
    pub job: Option<JobId>,
    /// The job's id among all jobs anywhere.
    pub uid: Option<String>,
    /// State of its job; none if it was removed.
    pub status: Option<JobStatus>,
    /// Whether it is a draft that waits for a choice.
    pub is_draft: bool,
    /// The video.
    pub output: Option<PathBuf>,
    /// Time that it took.
    pub seconds: Option<Secs>,
    /// Peak memory in MiB.
    pub peak_mb: Option<f64>,
    /// Why it failed, one sentence.
    pub error: Option<String>,
    /// Its settings.
    #[serde(skip)]
    pub draft: Option<Draft>,
}

impl CellResult {
    /// The state in one word: "draft" for a draft that waits for a choice, "removed" without a job.
    pub fn status_word(&self) -> &'static str {
        if self.is_draft { "draft" } else { self.status.map_or("removed", JobStatus::word) }
    }
}

fn as_texts<S: Serializer>(values: &[(SweepField, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|(_, value)| value))
}

/// The state of each cell of a sweep, from the jobs of the queue with their status and the entries of the history. The
/// newest job of a cell counts.
pub fn collect<'a>(
    record: &SweepRecord,
    jobs: impl Iterator<Item = (&'a Job, JobStatus)>,
    entries: &[HistoryEntry],
) -> SweepTable {
    let mut of_queue: BTreeMap<&[u32], (&Job, JobStatus)> = BTreeMap::new();
    for (job, status) in jobs {
        let Some(group) = job.spec.group.as_ref().filter(|group| group.id == record.id) else { continue };
        let newest = of_queue.entry(&group.cell).or_insert((job, status));
        if job.id >= newest.0.id {
            *newest = (job, status);
        }
    }
    // the oldest come first, so that the newest stays
    let of_history = entries.iter().filter_map(|entry| Some((entry.group.as_ref()?.cell.as_slice(), entry)));
    let of_history: BTreeMap<&[u32], &HistoryEntry> = of_history.collect();
    let is_checked = record.sweep.search.is_some_and(|search| search.check_at.is_some());
    let is_of_drafts = record.sweep.draft_steps.is_some() || is_checked;
    let fields: Vec<_> = record.sweep.axes.iter().flat_map(Axis::fields).cloned().collect();
    let cells = record.cells.iter().map(|cell| {
        let empty = CellResult {
            place: cell.place.clone(),
            values: if cell.values.is_empty() { of_base(&fields, &record.base) } else { cell.values.clone() },
            label: cell.label(),
            ..CellResult::default()
        };
        let place = cell.place.as_slice();
        match (of_queue.get(place), of_history.get(place)) {
            (Some((job, status)), _) => of_job(empty, job, *status, is_of_drafts),
            (None, Some(entry)) => of_entry(empty, entry),
            (None, None) => empty,
        }
    });
    SweepTable {
        version: DOCUMENT_VERSION,
        id: record.id.clone(),
        name: record.name.clone(),
        folder: record.folder.clone(),
        cells: cells.collect(),
        fields: fields.iter().map(ToString::to_string).collect(),
        search: None,
    }
}

/// The values of the base.
fn of_base(fields: &[SweepField], base: &Draft) -> Vec<(SweepField, String)> {
    fields.iter().map(|field| (field.clone(), field.value(base))).collect()
}

fn of_job(cell: CellResult, job: &Job, status: JobStatus, is_of_drafts: bool) -> CellResult {
    let cell = match job.ended() {
        Some(entry) => of_entry(cell, entry),
        None => cell,
    };
    CellResult {
        job: Some(job.id),
        uid: Some(job.uid.clone()),
        status: Some(status),
        // its steps are no limit any more once the draft is done
        is_draft: is_of_drafts && status == JobStatus::Paused && job.spec.draft_steps.is_none(),
        draft: Some(job.spec.draft.clone()),
        ..cell
    }
}

fn of_entry(cell: CellResult, entry: &HistoryEntry) -> CellResult {
    CellResult {
        job: Some(JobId(entry.job)),
        uid: Some(entry.id.clone()),
        status: Some(entry.status.into()),
        output: entry.output.clone(),
        seconds: entry.generation_time_s,
        peak_mb: entry.peak_mb(),
        error: entry.error.as_ref().map(|error| error.message.clone()),
        draft: entry.draft(),
        ..cell
    }
}
