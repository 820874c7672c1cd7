//! A job of the queue: what was asked, and what became of it so far.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::history_entry::HistoryEntry;
use super::spec::Job;
use crate::core::{Fix, Outcome};

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
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
        task: Box<HistoryEntry>,
    },
}

/// What a person wants of a job that runs, maybe in another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingAction {
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
pub struct PartialOutput {
    /// Its hidden name.
    pub hidden: Option<PathBuf>,
    /// What it will be, written down before it gets its name.
    pub placing: Option<Box<Outcome>>,
}

/// A change that was made after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryRecord {
    /// What failed and what was changed, one sentence.
    pub told: String,
    /// What was changed.
    pub changes: Vec<Fix>,
}

/// A job and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEntry {
    /// The job.
    pub job: Job,
    /// How it stands.
    pub status: JobState,
    /// The program that alone may run it, as long as that lives.
    #[serde(default)]
    pub reserved: Option<String>,
    /// What the person wants of it while it runs.
    #[serde(default)]
    pub wish: Option<PendingAction>,
    /// What is on disk of its video.
    #[serde(default)]
    pub trace: PartialOutput,
    /// What was changed after failures.
    #[serde(default)]
    pub retries: Vec<RetryRecord>,
}

impl JobEntry {
    /// Whether it is over.
    pub fn ended(&self) -> Option<&HistoryEntry> {
        match &self.status {
            JobState::Ended { task } => Some(task),
            _ => None,
        }
    }

    /// The program that runs it.
    pub fn worker(&self) -> Option<&str> {
        match &self.status {
            JobState::Running { worker } => Some(worker),
            _ => None,
        }
    }
}
