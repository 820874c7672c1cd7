//! A program's handle on the queue of a data folder.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::leases::ProgramLease;
use super::shared_state::SharedState;
use super::state::State;
use crate::core::{Error, Faults, Kind, Result};
use crate::jobs::{Job, JobId, JobStatus};
use crate::library::History;

/// Which jobs a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All queued jobs.
    Everything,
    /// The jobs that it added itself.
    Own,
}

/// The queue of a data folder. Several programs may have it open; every change is on disk before it is visible.
pub struct Queue {
    pub(super) data_dir: PathBuf,
    pub(super) shared: SharedState,
    pub(super) lease: ProgramLease,
    pub(super) history: Option<History>,
    pub(super) notes: Vec<String>,
    /// Where a queue is that was copied to be read.
    pub(super) copy: Option<TempDir>,
}

impl Queue {
    /// Opens the queue of a data folder for the program `who`, for instance "the window".
    ///
    /// Jobs that ended while the history could not be written are recorded now.
    pub fn open(data_dir: &Path, who: &str, faults: &Faults) -> Result<Self> {
        let lease = ProgramLease::register(data_dir, who)?;
        let shared = SharedState::open(data_dir, faults)?;
        let (history, mut notes) = match History::open(data_dir) {
            Ok((history, notes)) => (Some(history), notes),
            // the queue works without it; ended jobs are recorded when it can be opened again
            Err(error) => (None, vec![format!("{error:#}")]),
        };
        notes.retain(|note| !note.is_empty());
        let mut queue = Self { data_dir: data_dir.to_path_buf(), shared, lease, history, notes, copy: None };
        queue.complete_history();
        queue.trim();
        queue.sweep();
        Ok(queue)
    }

    /// Fails if the data folder was moved, removed or replaced since the queue was opened.
    pub fn check_place(&self) -> Result<()> {
        self.shared.check_place()
    }

    /// Reads what other programs changed. Returns whether there was anything.
    pub fn refresh(&mut self) -> Result<bool> {
        self.shared.refresh()
    }

    /// A number that differs after each change by any program.
    pub(crate) fn revision(&self) -> u64 {
        self.shared.revision()
    }

    /// Whether another program may have changed something; cheap.
    pub fn may_have_changed(&self) -> bool {
        self.shared.may_have_changed()
    }

    /// What went wrong while the queue and the history were read, a sentence each; returned once.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.shared.take_notes());
        notes
    }

    /// All jobs in the order in which they run.
    pub fn jobs(&self) -> Vec<&Job> {
        self.shared.get().jobs()
    }

    /// Whether the whole queue is paused.
    pub fn is_paused(&self) -> bool {
        self.shared.get().is_paused()
    }

    /// The job `id`. Fails with [`Kind::Input`] if the queue has no such job.
    pub fn get(&self, id: JobId) -> Result<&Job> {
        find(self.shared.get(), id)
    }

    /// Whether the program that ran a job ended before the job did; the next program resumes the job.
    pub fn is_interrupted(&self, job: &Job) -> bool {
        job.worker().is_some_and(|worker| !self.lease.is_alive(worker))
    }

    /// The state of a job as one word.
    pub fn status(&self, job: &Job) -> JobStatus {
        JobStatus::of(job, self.is_interrupted(job))
    }

    /// The history, if it could be opened.
    pub fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Records ended jobs whose program was killed between saving the queue and the history.
    fn complete_history(&mut self) {
        let Some(history) = &self.history else { return };
        let ended = self.shared.get().jobs().into_iter().filter_map(Job::ended);
        if let Err(error) = history.record_all(ended) {
            self.notes.push(format!("{error:#}"));
        }
    }
}

pub(super) fn find(state: &State, id: JobId) -> Result<&Job> {
    state.get(id).ok_or_else(|| {
        Error::new(Kind::Input, format!("There is no job {id} in the queue"))
            .field("job")
            .remedy("See wandeck queue list")
    })
}
