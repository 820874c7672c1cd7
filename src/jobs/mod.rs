//! Jobs as data: their settings, their states, what is retried after a failure, and the record of an ended one.
//!
//! Nothing here runs or stores a job; `queue/` keeps them, `worker/` runs them.

mod document;
mod fallback;
mod group;
mod history_entry;
mod interruption;
mod job;
pub(crate) mod ladder;
mod run_recorder;
mod spec;
mod status;

pub use document::{
    DoneDocument, EndDocument, HistoryEntryDocument, JobDocument, QueueDocument, QueueReplyDocument,
    QueueRunDocument, RequestField,
};
pub use fallback::Fallback;
pub(crate) use fallback::{may_help, next as next_fallback};
pub use group::JobGroup;
pub use history_entry::{EndStatus, FailureRecord, HistoryEntry};
pub(crate) use interruption::stage_key;
pub use interruption::{Death, Interruptions};
pub use job::{Job, JobId, JobState, PartialOutput, PendingAction, RetryRecord};
pub use run_recorder::RunRecorder;
pub use spec::{JobSpec, Priority};
pub use status::JobStatus;
