//! The queue as data: entries in their order, changed by records only. What the journal keeps are these records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::jobs::{JobEntry, JobId, JobState, PartialOutput, PendingAction, Priority, RetryRecord};

/// Ended jobs that stay in sight; the history has them all.
const ENDED_IN_SIGHT: usize = 50;

/// One change of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// A new entry at the end, or another form of a known one at its place.
    Put(Box<JobEntry>),
    /// It stands before another one now, or at the end.
    Place { id: JobId, before: Option<JobId> },
    /// How it stands now.
    JobState { id: JobId, status: JobState },
    /// What is wanted of it while it runs.
    PendingAction { id: JobId, wish: Option<PendingAction> },
    /// What is on disk of its video.
    PartialOutput { id: JobId, trace: PartialOutput },
    /// What was changed after a failure.
    RetryRecord { id: JobId, retry: RetryRecord },
    /// It is forgotten.
    Remove { id: JobId },
    /// Numbers up to here are taken, though their jobs are forgotten.
    Numbers { last: u64 },
}

/// All entries in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    entries: BTreeMap<JobId, JobEntry>,
    order: Vec<JobId>,
    ended: usize,
    last: u64,
}

impl State {
    pub(super) fn get(&self, id: JobId) -> Option<&JobEntry> {
        self.entries.get(&id)
    }

    /// The number of the next job.
    pub(super) fn next_id(&self) -> JobId {
        JobId(self.last + 1)
    }

    /// Entries in the order in which they run; ended ones among them.
    pub(super) fn entries(&self) -> Vec<&JobEntry> {
        let mut all: Vec<_> = self.order.iter().filter_map(|id| self.entries.get(id)).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.job.work.priority));
        all
    }

    /// The first entry that `may_run`, by priority and then by order.
    pub(super) fn first(&self, may_run: impl Fn(&JobEntry) -> bool) -> Option<&JobEntry> {
        let mut best: Option<&JobEntry> = None;
        for entry in self.order.iter().filter_map(|id| self.entries.get(id)) {
            let priority = |entry: &JobEntry| entry.job.work.priority;
            if best.is_none_or(|best| priority(entry) > priority(best)) && may_run(entry) {
                best = Some(entry);
                if priority(entry) == Priority::Urgent {
                    break;
                }
            }
        }
        best
    }

    /// The records that make this state from nothing.
    pub(super) fn records(&self) -> Vec<Record> {
        let put = |id: &JobId| self.entries.get(id).cloned().map(|entry| Record::Put(Box::new(entry)));
        let numbers = Record::Numbers { last: self.last };
        std::iter::once(numbers).chain(self.order.iter().filter_map(put)).collect()
    }

    /// Makes a change; one about a job that is not there changes nothing.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Put(entry) => self.put(*entry),
            Record::Place { id, before } => self.place(id, before),
            Record::Remove { id } => self.remove(id),
            Record::Numbers { last } => self.last = self.last.max(last),
            Record::JobState { id, status } => {
                let ends = matches!(status, JobState::Ended { .. });
                if let Some(entry) = self.entries.get_mut(&id) {
                    self.ended = self.ended + usize::from(ends) - usize::from(entry.ended().is_some());
                    if !matches!(status, JobState::Running { .. }) {
                        entry.wish = None;
                    }
                    entry.status = status;
                }
                if ends {
                    self.forget_old();
                }
            }
            Record::PendingAction { id, wish } => self.change(id, |entry| entry.wish = wish),
            Record::PartialOutput { id, trace } => self.change(id, |entry| entry.trace = trace),
            Record::RetryRecord { id, retry } => self.change(id, |entry| entry.retries.push(retry)),
        }
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut JobEntry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            change(entry);
        }
    }

    fn put(&mut self, entry: JobEntry) {
        let id = entry.job.id;
        self.last = self.last.max(id.0);
        self.ended += usize::from(entry.ended().is_some());
        match self.entries.insert(id, entry) {
            Some(old) => self.ended -= usize::from(old.ended().is_some()),
            None => self.order.push(id),
        }
        self.forget_old();
    }

    fn place(&mut self, id: JobId, before: Option<JobId>) {
        if before == Some(id) || !self.entries.contains_key(&id) {
            return;
        }
        self.order.retain(|known| *known != id);
        let at = before.and_then(|before| self.order.iter().position(|known| *known == before));
        self.order.insert(at.unwrap_or(self.order.len()), id);
    }

    fn remove(&mut self, id: JobId) {
        if let Some(gone) = self.entries.remove(&id) {
            self.ended -= usize::from(gone.ended().is_some());
            self.order.retain(|known| *known != id);
        }
    }

    /// Removes the jobs that ended longest ago until the rest fits into sight.
    fn forget_old(&mut self) {
        while self.ended > ENDED_IN_SIGHT {
            let ended = |entry: &JobEntry| entry.ended().map(|task| (task.ended, entry.job.id));
            let Some((_, oldest)) = self.entries.values().filter_map(ended).min() else { return };
            self.remove(oldest);
        }
    }
}
