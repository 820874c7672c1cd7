//! Jobs as data: their settings, their states, what is retried after a failure, and the record of an ended one.
//!
//! Nothing here runs or stores a job; `queue/` keeps them, `worker/` runs them.

mod fallback;
mod history_entry;
mod job;
pub(crate) mod ladder;
mod run_recorder;
mod spec;

pub use fallback::Fallback;
pub(crate) use fallback::{may_help, next as next_fallback};
pub use history_entry::{EndStatus, FailureRecord, HistoryEntry};
pub use job::{JobEntry, JobState, PartialOutput, PendingAction, RetryRecord};
pub(crate) use run_recorder::{RunRecorder, ended};
pub use spec::{Job, JobId, JobSpec, Priority};
