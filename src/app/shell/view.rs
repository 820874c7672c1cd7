//! What panels may read.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use eframe::egui::{TextureId, Vec2};

use crate::core::{Bytes, Draft, Error, Finding, Limits, Mode, Outcome, Progress, Result};
use crate::jobs::{JobEntry, JobId};
use crate::models::Installed;
use crate::preflight::TimeEstimate;

/// The state of the program, for drawing.
pub struct AppView<'a> {
    /// The form.
    pub draft: &'a Draft,
    /// What keeps the form from running, one error a field.
    pub problems: &'a [Error],
    /// What the form's model can take, if it is here.
    pub limits: Option<&'a Limits>,
    /// What the look before a run says of the form.
    pub look: Look<'a>,
    /// The job of the queue that is in the form, if one is.
    pub editing: Option<&'a Editing>,
    /// The mode in which the form would run, if its model is here.
    pub mode: Option<Mode>,
    /// Why the form has this model and mode.
    pub reason: &'a str,
    /// Models on this machine.
    pub models: &'a [Installed],
    /// The job.
    pub run: &'a RunState,
    /// The queue.
    pub queue: &'a [JobEntry],
    /// The player.
    pub screen: &'a Screen,
    /// When this frame is drawn.
    pub now: Instant,
}

/// What the look before a run says of the form.
#[derive(Clone, Copy, Debug, Default)]
pub enum Look<'a> {
    /// Nothing: the form cannot run as it is, or the person does not want the look.
    #[default]
    Off,
    /// Not known yet; what was said before the last change.
    Pending(Option<&'a Result<PreflightView>>),
    /// This, or why it cannot run at all.
    Done(&'a Result<PreflightView>),
}

/// What a run of the form will cost, and what is in its way.
#[derive(Clone, Debug, PartialEq)]
pub struct PreflightView {
    /// The largest memory, where it can be estimated.
    pub peak: Option<Bytes>,
    /// The time, if anything was ever measured on this machine.
    pub time: Option<TimeEstimate>,
    /// Blockers first, then warnings, then notes.
    pub findings: Vec<Finding>,
}

/// A job of the queue that is in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Editing {
    /// Which.
    pub job: JobId,
    /// Why it cannot have another form any more.
    pub obstacle: Option<String>,
}

/// How the job stands.
#[derive(Debug, Default)]
pub enum RunState {
    /// Nothing was asked yet.
    #[default]
    Idle,
    /// A job runs.
    Running {
        /// How far it is.
        progress: Progress,
        /// When it was started.
        started: Instant,
        /// What it says about itself, for instance a download.
        note: Option<String>,
        /// Whether it was asked to stop.
        stopping: bool,
    },
    /// The video is there.
    Done(Box<Outcome>),
    /// The job could not be done.
    Failed(Error),
    /// The job was stopped as asked.
    Cancelled,
}

impl RunState {
    /// Whether a job runs.
    pub fn running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// What the player shows.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// The file.
    pub path: Option<PathBuf>,
    /// The picture and its size in pixels.
    pub picture: Option<(TextureId, Vec2)>,
    /// The frame that is shown, counted from 0.
    pub index: u32,
    /// How many there are.
    pub frames: u32,
    /// How long one is shown.
    pub interval: Duration,
    /// Whether it moves.
    pub playing: bool,
    /// Why it cannot be shown.
    pub error: Option<Error>,
}
