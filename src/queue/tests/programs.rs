//! Two programs that have the queue of one data folder open. Each may die at any time and start again.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::expected::{Action, ExpectedJob, Phase, Program, Reply};
use crate::core::testing::draft;
use crate::core::{Draft, Faults, Result};
use crate::jobs::{HistoryEntry, Job, JobId, JobSpec, JobState, Priority, RetryRecord};
use crate::queue::leases::queue_folder;
use crate::queue::queue::{Queue, Scope};
use crate::queue::state::{Record, State};
use crate::store::Journal;

/// Two programs at one data folder.
pub(super) struct Programs {
    dir: tempfile::TempDir,
    open: [Option<(Program, Queue)>; 2],
    /// Worker id of every program that ever ran.
    workers: Vec<String>,
    pub(super) faults: Faults,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            open: [None, None],
            workers: Vec::new(),
            faults: Faults::default(),
        }
    }

    pub(super) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The program in a slot, started if it does not run.
    pub(super) fn program(&mut self, slot: usize) -> (Program, &mut Queue) {
        let (number, queue) = self.open[slot].get_or_insert_with(|| {
            let queue = Queue::open(self.dir.path(), "a test", &self.faults).unwrap();
            self.workers.push(queue.lease.worker().to_owned());
            (self.workers.len() - 1, queue)
        });
        (*number, queue)
    }

    /// Ends the program in a slot as a crash does: its lock is free, its files stay, and the record it was writing is
    /// incomplete if `torn`.
    pub(super) fn crash(&mut self, slot: usize, torn: bool) -> Option<Program> {
        let (number, queue) = self.open[slot].take()?;
        drop(queue);
        let folder = queue_folder(self.data_dir());
        fs::write(folder.join("workers").join(&self.workers[number]).with_extension("lock"), "").unwrap();
        if torn {
            let mut journal = OpenOptions::new().append(true).open(folder.join("journal")).unwrap();
            journal.write_all(br#"0123abcd {"put":{"id":"#).unwrap();
        }
        Some(number)
    }

    /// Rewrites the journal as the shortest list of records with the same meaning.
    pub(super) fn compact(&self) {
        let mut journal = Journal::open(&self.journal(), 2).unwrap();
        let mut locked = journal.lock().unwrap();
        let update = locked.read_new(|json, _| serde_json::from_slice::<Record>(json).ok()).unwrap();
        assert_eq!(update.damage, None);
        let mut state = State::default();
        update.records.into_iter().for_each(|record| state.apply(record));
        locked.rewrite(&state.records()).unwrap();
    }

    fn journal(&self) -> PathBuf {
        queue_folder(self.data_dir()).join("journal")
    }

    /// What a job of the queue is, in the words of the expected one.
    pub(super) fn seen(&self, job: &Job) -> ExpectedJob {
        let number = |id: &str| self.workers.iter().position(|worker| worker == id).unwrap();
        ExpectedJob {
            id: job.id.0,
            seed: job.spec.draft.seed,
            priority: job.spec.priority,
            phase: match &job.state {
                JobState::Queued => Phase::Queued,
                JobState::Paused => Phase::Paused,
                JobState::Running { worker } => Phase::Running(number(worker)),
                JobState::Ended { .. } => Phase::Ended,
            },
            reserved_by: job.reserved_by.as_deref().map(number),
            pending: job.pending_action,
            num_retries: job.retries.len(),
        }
    }
}

/// Carries out an action on the job `id`, which goes before `before` if it is a move.
pub(super) fn carry_out(queue: &mut Queue, action: Action, id: JobId, before: Option<JobId>) -> Reply {
    let job = |id: JobId| Reply::Job(id.0);
    let runs_here = queue.get(id).is_ok_and(|job| queue.runs_here(job));
    let reply: Result<Reply> = match action {
        Action::Submit { seed, priority, own } => queue.add(spec(seed, priority), own).map(job),
        Action::Duplicate => queue.duplicate(id).map(job),
        Action::Retry => queue.retry(id, &[]).map(job),
        Action::Edit { seed } => queue.edit(id, spec(seed, Priority::Normal)).map(|()| Reply::Done),
        Action::Move { .. } => queue.move_before(id, before).map(|()| Reply::Done),
        Action::SetPriority(priority) => queue.set_priority(id, priority).map(|()| Reply::Done),
        Action::Pause { keep_memory } => queue.pause(id, keep_memory).map(|_| Reply::Done),
        Action::Resume => queue.resume(id).map(|()| Reply::Done),
        Action::Cancel => queue.cancel(id).map(|_| Reply::Done),
        Action::Remove => queue.remove(id).map(|()| Reply::Done),
        Action::ClearEnded => queue.clear_ended().map(|_| Reply::Done),
        Action::Claim => queue
            .claim(Scope::Everything, &|_| true)
            .map(|claimed| claimed.map_or(Reply::Done, |found| job(found.id))),
        // a runner does these only to the job that it runs
        Action::End | Action::GiveBack { .. } | Action::SaveRetry if !runs_here => return Reply::Rejected,
        Action::End => {
            let uid = queue.get(id).unwrap().uid.clone();
            let entry = HistoryEntry { id: uid, job: id.0, ..HistoryEntry::default() };
            queue.end(id, entry, None).map(|()| Reply::Done)
        }
        Action::GiveBack { paused } => {
            let state = if paused { JobState::Paused } else { JobState::Queued };
            queue.give_back(id, state).map(|()| Reply::Done)
        }
        Action::SaveRetry => {
            let retry = RetryRecord { message: "Decode failed".to_owned(), fixes: Vec::new() };
            queue.save_retry(id, retry).map(|()| Reply::Done)
        }
    };
    reply.unwrap_or(Reply::Rejected)
}

fn spec(seed: u64, priority: Priority) -> JobSpec {
    JobSpec { priority, ..JobSpec::new(Draft { seed, ..draft() }, "a-model".into(), "a.mp4".into()) }
}
