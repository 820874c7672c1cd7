//! The data and actions of the queue panel.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{TextureId, Vec2};

use super::columns::Columns;
use super::times::JobTimes;
use crate::app::panels::player::LivePreview;
use crate::app::shell::live_jobs::LiveJobs;
use crate::core::Fix;
use crate::jobs::{Job, JobId};
use crate::models::Installed;
use crate::queue::QueueCommand;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct QueueView<'a> {
    /// Jobs in the order in which they run.
    pub(in crate::app) entries: &'a Arc<[Job]>,
    /// Whether the whole queue is paused.
    pub(in crate::app) is_paused: bool,
    /// The running jobs by their events.
    pub(in crate::app) live: &'a LiveJobs,
    /// The live preview of a running job.
    pub(in crate::app) preview: Option<&'a LivePreview>,
    /// Models on this machine, for modes and for fixes that name one.
    pub(in crate::app) models: &'a [Installed],
    /// How long jobs will take.
    pub(in crate::app) times: &'a Arc<JobTimes>,
    /// The columns that the user chose.
    pub(in crate::app) columns: &'a Columns,
    /// The thumbnail of a file, if it is ready; else it is made.
    pub(in crate::app) thumbnail: &'a dyn Fn(&Path) -> Option<(TextureId, Vec2)>,
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
    /// The same for several jobs.
    Many(Vec<Self>),
    /// Show a video in the player.
    Open(JobId, PathBuf),
    /// Compare these videos; the first one is the reference.
    Compare(Vec<PathBuf>),
    /// Change the columns of the table.
    Columns(Columns),
    /// Open the gallery.
    ShowGallery,
    /// Open the models panel.
    ShowModels,
    /// Convert or fetch a model, as the fix says.
    Fix(Fix),
}
