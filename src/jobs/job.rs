//! A job: what was asked for and how far it is.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::history_entry::HistoryEntry;
use super::interruption::Interruptions;
use super::spec::JobSpec;
use crate::core::{Fix, Outcome, Utc};

/// Identifies a job within a data folder; counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a job is in its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn. A job that has started before resumes from its last step.
    Queued,
    /// Waits until the user resumes it; its memory is free.
    Paused,
    /// A program runs it.
    Running {
        /// The worker id of that program.
        worker: String,
    },
    /// Done, failed or cancelled.
    Ended {
        /// The record of the job in the history.
        entry: Box<HistoryEntry>,
    },
}

/// What the user asked of a running job and is not done yet. The job may run in another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingAction {
    /// End the job.
    Cancel,
    /// Pause the job after its current step.
    Pause {
        /// Whether it keeps its memory, or frees it and is loaded again when it resumes.
        keep_memory: bool,
    },
}

/// What is on disk of a video that is being written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartialOutput {
    /// The hidden file that is being written.
    pub hidden: Option<PathBuf>,
    /// The result, saved before the hidden file is renamed to the output.
    pub placing: Option<Box<Outcome>>,
}

/// One retry of a job after a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryRecord {
    /// What failed and which fixes were applied, one sentence.
    pub message: String,
    /// The fixes applied before the next attempt.
    pub fixes: Vec<Fix>,
}

/// A job of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number in this data folder.
    pub id: JobId,
    /// Identifies it among all jobs anywhere.
    pub uid: String,
    /// When it was added.
    pub created: Utc,
    /// What was asked for.
    pub spec: JobSpec,
    /// Where it is in its life.
    pub state: JobState,
    /// The worker id of the only program that may run it, as long as that program runs.
    #[serde(default)]
    pub reserved_by: Option<String>,
    /// What the user asked of it while it runs.
    #[serde(default)]
    pub pending_action: Option<PendingAction>,
    /// What is on disk of its video.
    #[serde(default)]
    pub partial_output: PartialOutput,
    /// Its retries, oldest first.
    #[serde(default)]
    pub retries: Vec<RetryRecord>,
    /// How often the program that ran it died.
    #[serde(default)]
    pub interruptions: Interruptions,
}

impl Job {
    /// A queued job with the current time as its creation time.
    pub fn new(id: JobId, uid: String, spec: JobSpec) -> Self {
        Self {
            id,
            uid,
            created: Utc::now(),
            spec,
            state: JobState::Queued,
            reserved_by: None,
            pending_action: None,
            partial_output: PartialOutput::default(),
            retries: Vec::new(),
            interruptions: Interruptions::default(),
        }
    }

    /// Its record in the history, if it has ended.
    pub fn ended(&self) -> Option<&HistoryEntry> {
        match &self.state {
            JobState::Ended { entry } => Some(entry),
            _ => None,
        }
    }

    /// The worker id of the program that runs it.
    pub fn worker(&self) -> Option<&str> {
        match &self.state {
            JobState::Running { worker } => Some(worker),
            _ => None,
        }
    }
}
