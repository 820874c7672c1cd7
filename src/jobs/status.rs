//! The state of a job as one word, for people and for `--json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::history_entry::EndStatus;
use super::job::{Job, JobState, PendingAction};

/// State of a job as one word, the same on screen and in documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits for its turn.
    Queued,
    /// A program runs it.
    Running,
    /// It waits until the user resumes it.
    Paused,
    /// Its video is finished.
    Done,
    /// It failed.
    Failed,
    /// The user cancelled it.
    Cancelled,
    /// Its program ended while it ran; the next program resumes it.
    Interrupted,
}

impl JobStatus {
    /// The status of `job`. `is_interrupted` says that the program that ran it has ended.
    pub fn of(job: &Job, is_interrupted: bool) -> Self {
        match (&job.state, job.pending_action) {
            (JobState::Queued, _) => Self::Queued,
            (JobState::Running { .. }, _) if is_interrupted => Self::Interrupted,
            (JobState::Paused, _)
            | (JobState::Running { .. }, Some(PendingAction::Pause { keep_memory: true })) => Self::Paused,
            (JobState::Running { .. }, _) => Self::Running,
            (JobState::Ended { entry }, _) => entry.status.into(),
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<EndStatus> for JobStatus {
    fn from(status: EndStatus) -> Self {
        match status {
            EndStatus::Done => Self::Done,
            EndStatus::Failed => Self::Failed,
            EndStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
