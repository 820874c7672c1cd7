//! The queue as data: jobs in their order, changed by records only. The journal stores these records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::{Error, Kind, Result};
use crate::jobs::{Job, JobId, JobState, PartialOutput, PendingAction, Priority, RetryRecord};

/// Ended jobs that stay in the list once the history has them.
const MAX_ENDED: usize = 50;

/// One change of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// Adds a job at the end, or replaces a known one at its place.
    Put(Box<Job>),
    /// Moves a job before another one, or to the end.
    Move { id: JobId, before: Option<JobId> },
    /// Sets the state of a job.
    State { id: JobId, state: JobState },
    /// Sets or clears what was asked of a running job.
    PendingAction { id: JobId, action: Option<PendingAction> },
    /// Sets what is on disk of a job's video.
    PartialOutput { id: JobId, output: PartialOutput },
    /// Adds a retry to a job.
    Retry { id: JobId, retry: RetryRecord },
    /// Removes a job from the list.
    Remove { id: JobId },
    /// Pauses or resumes the whole queue.
    QueuePaused { paused: bool },
    /// Reserves all job numbers up to this one.
    Numbers { last: u64 },
}

/// All jobs in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    jobs: BTreeMap<JobId, Job>,
    order: Vec<JobId>,
    ended: usize,
    last: u64,
    is_paused: bool,
}

impl State {
    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// Whether the whole queue is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// The number of the next job. Fails when there is none left, as after damage.
    pub(super) fn next_id(&self) -> Result<JobId> {
        self.last.checked_add(1).map(JobId).ok_or_else(|| {
            Error::new(Kind::Io, format!("The queue has used every number up to {}", self.last))
                .remedy("Its journal is damaged; choose another data folder with --data-dir")
        })
    }

    /// Jobs in the order in which they run; ended ones among them.
    pub(super) fn jobs(&self) -> Vec<&Job> {
        let mut all: Vec<_> = self.order.iter().filter_map(|id| self.jobs.get(id)).collect();
        all.sort_by_key(|job| std::cmp::Reverse(job.spec.priority));
        all
    }

    /// The first job that `may_run`, by priority and then by order.
    pub(super) fn first(&self, may_run: impl Fn(&Job) -> bool) -> Option<&Job> {
        let mut best: Option<&Job> = None;
        for job in self.order.iter().filter_map(|id| self.jobs.get(id)) {
            let priority = |job: &Job| job.spec.priority;
            if best.is_none_or(|best| priority(job) > priority(best)) && may_run(job) {
                best = Some(job);
                if priority(job) == Priority::Urgent {
                    break;
                }
            }
        }
        best
    }

    /// The records that make this state from nothing.
    pub(super) fn records(&self) -> Vec<Record> {
        let put = |id: &JobId| self.jobs.get(id).cloned().map(|job| Record::Put(Box::new(job)));
        let numbers = Record::Numbers { last: self.last };
        let paused = Record::QueuePaused { paused: self.is_paused };
        [numbers, paused].into_iter().chain(self.order.iter().filter_map(put)).collect()
    }

    /// Applies a record; one about an unknown job has no effect.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Put(job) => self.put(*job),
            Record::Move { id, before } => self.move_before(id, before),
            Record::Remove { id } => self.remove(id),
            Record::QueuePaused { paused } => self.is_paused = paused,
            Record::Numbers { last } => self.last = self.last.max(last),
            Record::State { id, state } => self.set_state(id, state),
            Record::PendingAction { id, action } => self.change(id, |job| job.pending_action = action),
            Record::PartialOutput { id, output } => self.change(id, |job| job.partial_output = output),
            Record::Retry { id, retry } => self.change(id, |job| job.retries.push(retry)),
        }
    }

    fn set_state(&mut self, id: JobId, state: JobState) {
        if let Some(job) = self.jobs.get_mut(&id) {
            let ends = matches!(state, JobState::Ended { .. });
            self.ended = self.ended + usize::from(ends) - usize::from(job.ended().is_some());
            if !matches!(state, JobState::Running { .. }) {
                job.pending_action = None;
            }
            job.state = state;
        }
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(&id) {
            change(job);
        }
    }

    fn put(&mut self, job: Job) {
        let id = job.id;
        self.last = self.last.max(id.0);
        self.ended += usize::from(job.ended().is_some());
        match self.jobs.insert(id, job) {
            Some(old) => self.ended -= usize::from(old.ended().is_some()),
            None => self.order.push(id),
        }
    }

    fn move_before(&mut self, id: JobId, before: Option<JobId>) {
        if before == Some(id) || !self.jobs.contains_key(&id) {
            return;
        }
        self.order.retain(|known| *known != id);
        let at = before.and_then(|before| self.order.iter().position(|known| *known == before));
        self.order.insert(at.unwrap_or(self.order.len()), id);
    }

    fn remove(&mut self, id: JobId) {
        if let Some(gone) = self.jobs.remove(&id) {
            self.ended -= usize::from(gone.ended().is_some());
            self.order.retain(|known| *known != id);
        }
    }

    /// The jobs that ended longest ago and are more than the list keeps.
    pub(super) fn surplus(&self) -> Vec<&Job> {
        let ended = |job: &&Job| job.ended().is_some();
        let mut ended: Vec<_> = self.jobs.values().filter(ended).collect();
        ended.sort_by_key(|job| (job.ended().map(|entry| entry.ended), job.id));
        ended.truncate(self.ended.saturating_sub(MAX_ENDED));
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_state_make_the_same_state() {
        let mut state = State::default();
        for record in [Record::Numbers { last: 7 }, Record::QueuePaused { paused: true }] {
            state.apply(record);
        }
        let mut again = State::default();
        for record in state.records() {
            again.apply(record);
        }
        assert_eq!(again, state);
        assert!(again.is_paused());
        again.apply(Record::QueuePaused { paused: false });
        assert!(!again.is_paused());
    }
}
