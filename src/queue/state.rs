//! The queue as data: entries in their order, changed by records only. What the journal keeps are these records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::{Job, JobId, Priority};
use crate::core::{Change, Outcome, Task};

/// Ended jobs that stay in sight; the history has them all.
const ENDED_IN_SIGHT: usize = 50;

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// For its turn; if it was begun, it goes on where it was.
    Waiting,
    /// Until the person lets it go on.
    Held,
    /// On the engine of a program.
    Running {
        /// Which program.
        worker: String,
    },
    /// Done, failed or cancelled.
    Ended {
        /// The record of it.
        task: Box<Task>,
    },
}

/// What a person wants of a job that runs, maybe in another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// To stop for good.
    Cancel,
    /// To stop after its step and give its memory back, and go on later.
    Hold,
    /// To wait after its step, with all its memory.
    Pause,
}

/// What is on disk of a video that is being written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Its hidden name.
    pub hidden: Option<PathBuf>,
    /// What it will be, written down before it gets its name.
    pub placing: Option<Box<Outcome>>,
}

/// A change that was made after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// What failed and what was changed, one sentence.
    pub told: String,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// A job and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The job.
    pub job: Job,
    /// How it stands.
    pub status: Status,
    /// The program that alone may run it, as long as that lives.
    #[serde(default)]
    pub reserved: Option<String>,
    /// What the person wants of it while it runs.
    #[serde(default)]
    pub wish: Option<Wish>,
    /// What is on disk of its video.
    #[serde(default)]
    pub trace: Trace,
    /// What was changed after failures.
    #[serde(default)]
    pub retries: Vec<Retry>,
}

impl Entry {
    /// Whether it is over.
    pub fn ended(&self) -> Option<&Task> {
        match &self.status {
            Status::Ended { task } => Some(task),
            _ => None,
        }
    }

    /// The program that runs it.
    pub fn worker(&self) -> Option<&str> {
        match &self.status {
            Status::Running { worker } => Some(worker),
            _ => None,
        }
    }
}

/// One change of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// A new entry at the end, or another form of a known one at its place.
    Put(Box<Entry>),
    /// It stands before another one now, or at the end.
    Place { id: JobId, before: Option<JobId> },
    /// How it stands now.
    Status { id: JobId, status: Status },
    /// What is wanted of it while it runs.
    Wish { id: JobId, wish: Option<Wish> },
    /// What is on disk of its video.
    Trace { id: JobId, trace: Trace },
    /// What was changed after a failure.
    Retry { id: JobId, retry: Retry },
    /// It is forgotten.
    Remove { id: JobId },
    /// Numbers up to here are taken, though their jobs are forgotten.
    Numbers { last: u64 },
}

/// All entries in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    entries: BTreeMap<JobId, Entry>,
    order: Vec<JobId>,
    ended: usize,
    last: u64,
}

impl State {
    pub(super) fn get(&self, id: JobId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The number of the next job.
    pub(super) fn next_id(&self) -> JobId {
        JobId(self.last + 1)
    }

    /// Entries in the order in which they run; ended ones among them.
    pub(super) fn entries(&self) -> Vec<&Entry> {
        let mut all: Vec<_> = self.order.iter().filter_map(|id| self.entries.get(id)).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.job.work.priority));
        all
    }

    /// The first entry that `may_run`, by priority and then by order.
    pub(super) fn first(&self, may_run: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let mut best: Option<&Entry> = None;
        for entry in self.order.iter().filter_map(|id| self.entries.get(id)) {
            let priority = |entry: &Entry| entry.job.work.priority;
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
            Record::Status { id, status } => {
                let ends = matches!(status, Status::Ended { .. });
                if let Some(entry) = self.entries.get_mut(&id) {
                    self.ended = self.ended + usize::from(ends) - usize::from(entry.ended().is_some());
                    if !matches!(status, Status::Running { .. }) {
                        entry.wish = None;
                    }
                    entry.status = status;
                }
                if ends {
                    self.forget_old();
                }
            }
            Record::Wish { id, wish } => self.change(id, |entry| entry.wish = wish),
            Record::Trace { id, trace } => self.change(id, |entry| entry.trace = trace),
            Record::Retry { id, retry } => self.change(id, |entry| entry.retries.push(retry)),
        }
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            change(entry);
        }
    }

    fn put(&mut self, entry: Entry) {
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
            let ended = |entry: &Entry| entry.ended().map(|task| (task.ended, entry.job.id));
            let Some((_, oldest)) = self.entries.values().filter_map(ended).min() else { return };
            self.remove(oldest);
        }
    }
}
