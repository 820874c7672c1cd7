//! What the queue's panel reads, and what it asks for.

use std::path::PathBuf;
use std::time::Instant;

use crate::app::shell::live_jobs::LiveJobs;
use crate::core::Fix;
use crate::jobs::{Job, JobId};
use crate::models::Installed;
use crate::queue::QueueCommand;

/// The queue as it stands.
#[derive(Clone, Copy)]
pub(in crate::app) struct QueueView<'a> {
    /// Jobs in their order.
    pub(in crate::app) entries: &'a [Job],
    /// What those that run say.
    pub(in crate::app) live: &'a LiveJobs,
    /// Models on this machine, for fixes that name one.
    pub(in crate::app) models: &'a [Installed],
    /// When this frame is drawn.
    pub(in crate::app) now: Instant,
}

/// What a person asks of the queue.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum QueueAction {
    /// Something that the queue itself does.
    Command(QueueCommand),
    /// Stop a job for good.
    Cancel(JobId),
    /// Take a job that waits into the form.
    Edit(JobId),
    /// An ended job again, after this change if there is one.
    Retry(JobId, Option<Fix>),
    /// Show a video in the player.
    Open(JobId, PathBuf),
    /// Look at what was made.
    ShowGallery,
    /// Look at the models.
    ShowModels,
}
