//! The data and actions of the queue panel.

use std::path::PathBuf;
use std::time::Instant;

use crate::app::shell::live_jobs::LiveJobs;
use crate::core::Fix;
use crate::jobs::{Job, JobId};
use crate::models::Installed;
use crate::queue::QueueCommand;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct QueueView<'a> {
    /// Jobs in the order in which they run.
    pub(in crate::app) entries: &'a [Job],
    /// The running jobs by their events.
    pub(in crate::app) live: &'a LiveJobs,
    /// Models on this machine, for fixes that name one.
    pub(in crate::app) models: &'a [Installed],
    /// The time of this frame.
    pub(in crate::app) now: Instant,
}

/// Actions of the queue panel.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum QueueAction {
    /// A queue command.
    Command(QueueCommand),
    /// Cancel a job.
    Cancel(JobId),
    /// Open a queued job in the form.
    Edit(JobId),
    /// Retry an ended job, with this fix if there is one.
    Retry(JobId, Option<Fix>),
    /// Show a video in the player.
    Open(JobId, PathBuf),
    /// Open the gallery.
    ShowGallery,
    /// Open the models panel.
    ShowModels,
}
