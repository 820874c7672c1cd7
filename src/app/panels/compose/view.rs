//! What the form's panel reads, and what it asks for.

use std::path::PathBuf;

use crate::app::form::SeedMode;
use crate::core::{Bytes, Draft, Error, Finding, Limits, Mode, Result};
use crate::jobs::JobId;
use crate::models::Installed;
use crate::plan::DraftField;
use crate::preflight::TimeEstimate;

/// The form as it stands.
#[derive(Clone, Copy)]
pub(in crate::app) struct ComposeView<'a> {
    /// The form.
    pub(in crate::app) draft: &'a Draft,
    /// What keeps the form from running, one error a field.
    pub(in crate::app) problems: &'a [Error],
    /// What the form's model can take, if it is here.
    pub(in crate::app) limits: Option<&'a Limits>,
    /// What preflight says of the form.
    pub(in crate::app) look: Look<'a>,
    /// The job of the queue that is in the form, if one is.
    pub(in crate::app) editing: Option<&'a Editing>,
    /// The mode in which the form would run, if its model is here.
    pub(in crate::app) mode: Option<Mode>,
    /// Whether the user set the mode, instead of leaving it to the inputs.
    pub(in crate::app) is_mode_set: bool,
    /// Why the form has this model and mode.
    pub(in crate::app) reason: &'a str,
    /// Models on this machine.
    pub(in crate::app) models: &'a [Installed],
    /// Whether a job runs, so that the next one waits.
    pub(in crate::app) is_busy: bool,
    /// Where the next seed comes from.
    pub(in crate::app) seed_mode: SeedMode,
    /// Number of videos that are queued at once.
    pub(in crate::app) num_videos: u32,
    /// The seed of the video that was queued last.
    pub(in crate::app) last_seed: Option<u64>,
}

/// What a person asks of the form.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum ComposeAction {
    /// The form now reads like this.
    Edit(Box<Draft>),
    /// Take this model and its preset; prompt and seed stay.
    ChooseModel(String),
    /// Take the best model that does this, and its preset; prompt, images and seed stay.
    ChooseMode(Mode),
    /// Let the inputs choose the mode again.
    AutomaticMode,
    /// Make a video from this form.
    Generate(Box<Draft>),
    /// Where the next seed comes from.
    SeedMode(SeedMode),
    /// Queue this many videos at once, each with its own seed.
    NumVideos(u32),
    /// Use the seed of the video that was queued last, and keep it.
    ReuseSeed,
    /// Take the settings of this preset into the form.
    ApplyPreset(String),
    /// Give this field the value of the preset, or of the model's defaults.
    ResetField(DraftField),
    /// Give every field the value of the preset, or of the model's defaults.
    ResetAll,
    /// Ask preflight again: the machine may have changed.
    LookAgain,
    /// Take this LoRA into the form.
    AddLora(PathBuf),
    /// Give the job that is in the form this form.
    SaveJob(Box<Draft>),
    /// Leave the job that is in the form as it was.
    LeaveJob,
}

/// What preflight says of the form.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::app) enum Look<'a> {
    /// Nothing: the form cannot run as it is, or the person does not want preflight.
    #[default]
    Off,
    /// Not known yet; what was said before the last change.
    Pending(Option<&'a Result<PreflightView>>),
    /// This, or why it cannot run at all.
    Done(&'a Result<PreflightView>),
}

/// What a run of the form will cost, and what is in its way.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct PreflightView {
    /// The largest memory, where it can be estimated.
    pub(in crate::app) peak: Option<Bytes>,
    /// The memory that a run may take, if the system reports it.
    pub(in crate::app) free: Option<Bytes>,
    /// The time, if anything was ever measured on this machine.
    pub(in crate::app) time: Option<TimeEstimate>,
    /// Blockers first, then warnings, then notes.
    pub(in crate::app) findings: Vec<Finding>,
}

/// A job of the queue that is in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct Editing {
    /// Which.
    pub(in crate::app) job: JobId,
    /// Why it cannot have another form any more.
    pub(in crate::app) obstacle: Option<String>,
}
