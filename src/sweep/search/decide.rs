//! What a search does next, from what became of its trials.

use serde::Serialize;

use super::definition::{Goal, GuidedSearch};
use crate::core::counted;
use crate::jobs::JobStatus;
use crate::sweep::results::CellResult;
use crate::sweep::store::RecordedCell;

/// Trials of a search by ratings that run before earlier ones are rated.
const AHEAD: usize = 4;

/// Why a search waits for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchWait {
    /// A trial is paused.
    Paused,
    /// So many finished trials have no rating.
    Ratings(usize),
}

impl SearchWait {
    /// What it waits for, one sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Paused => "The search waits: a trial is paused".to_owned(),
            Self::Ratings(count) => {
                format!(
                    "The search waits until {} are rated with 1 to 5 stars",
                    counted(count as u64, "trial")
                )
            }
        }
    }
}

/// Why a search chooses no further trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// All its trials have ended.
    Finished,
    /// Every combination of values was tried.
    SpaceTried,
    /// The user cancelled a trial.
    Cancelled,
    /// There is nothing to compare with: the reference has failed.
    ReferenceFailed,
}

impl SearchEnd {
    /// Why it has ended, one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Finished => "The search has ended: all its trials are done",
            Self::SpaceTried => "The search has ended: every combination was tried",
            Self::Cancelled => "The search has stopped, because a trial was cancelled",
            Self::ReferenceFailed => {
                "The search has stopped: its reference failed, so nothing can be compared with it"
            }
        }
    }
}

/// The next act of a search. Cells are named by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Add jobs for cells that have none.
    Submit(Vec<usize>),
    /// Resume the jobs of cells.
    Resume(Vec<usize>),
    /// Compare the preview of a paused cell with the reference.
    Check(usize),
    /// Cancel the job of a cell that was stopped at its check.
    Stop(usize),
    /// Choose another trial.
    Propose,
    /// Nothing until a trial ends.
    Run,
    Wait(SearchWait),
    End(SearchEnd),
}

/// The next act. `cells` are what became of the `recorded` ones, in the same order, with their stars. `is_continued` says
/// that the user has just asked to continue, so that cancelled trials run again and paused ones go on.
pub(super) fn decide(
    search: &GuidedSearch,
    recorded: &[RecordedCell],
    cells: &[(&CellResult, u8)],
    is_continued: bool,
) -> Decision {
    let note = |index: usize| recorded.get(index).map(|cell| cell.trial).unwrap_or_default();
    let all = || cells.iter().enumerate().map(|(index, (cell, _))| (index, *cell));
    let with = |wanted: &dyn Fn(usize, &CellResult) -> bool| -> Vec<usize> {
        all().filter(|(index, cell)| wanted(*index, cell)).map(|(index, _)| index).collect()
    };
    let is_of_user = |index: usize| !note(index).is_stopped;
    let cancelled = with(&|index, cell| cell.status == Some(JobStatus::Cancelled) && is_of_user(index));
    let without_job = with(&|_, cell| cell.status.is_none());
    if is_continued && !(cancelled.is_empty() && without_job.is_empty()) {
        return Decision::Submit([cancelled, without_job].concat());
    }
    if !cancelled.is_empty() {
        return Decision::End(SearchEnd::Cancelled);
    }
    if !without_job.is_empty() {
        return Decision::Submit(without_job);
    }
    if let Some(index) =
        with(&|index, cell| cell.status == Some(JobStatus::Paused) && note(index).is_stopped).first()
    {
        return Decision::Stop(*index);
    }
    if let Some(index) = with(&|index, cell| cell.is_draft && !note(index).is_checked).first() {
        return Decision::Check(*index);
    }
    let paused = with(&|_, cell| cell.status == Some(JobStatus::Paused));
    if is_continued && !paused.is_empty() {
        return Decision::Resume(paused);
    }
    let is_open = |cell: &CellResult| {
        matches!(cell.status, Some(JobStatus::Queued | JobStatus::Running | JobStatus::Interrupted))
    };
    let num_open = all().filter(|(_, cell)| is_open(cell)).count();
    if !paused.is_empty() && num_open == 0 {
        return Decision::Wait(SearchWait::Paused);
    }
    if search.has_reference() && cells.first().is_some_and(|(cell, _)| cell.status == Some(JobStatus::Failed))
    {
        return Decision::End(SearchEnd::ReferenceFailed);
    }
    let num_trials = cells.len() - usize::from(search.has_reference()).min(cells.len());
    let is_full = num_trials >= search.trials as usize;
    let rated = cells.iter().filter(|(cell, _)| cell.status == Some(JobStatus::Done));
    let num_unrated = rated.filter(|(_, stars)| *stars == 0).count();
    let waiting = num_open + paused.len();
    match search.goal {
        Goal::BestRated if !is_full && waiting + num_unrated < AHEAD => Decision::Propose,
        _ if waiting > 0 => Decision::Run,
        Goal::BestRated if num_unrated > 0 => Decision::Wait(SearchWait::Ratings(num_unrated)),
        _ if is_full => Decision::End(SearchEnd::Finished),
        Goal::Fastest { .. } | Goal::BestRated => Decision::Propose,
    }
}

/// Trials that a search by ratings starts with.
pub(in crate::sweep) fn first_trials(search: &GuidedSearch) -> usize {
    AHEAD.min(search.trials as usize)
}
