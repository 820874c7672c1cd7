//! The data and actions of the compose panel.

use std::path::PathBuf;

use crate::app::form::SeedMode;
use crate::core::{Bytes, Draft, Error, Finding, Limits, Mode, Result};
use crate::jobs::JobId;
use crate::models::Installed;
use crate::plan::DraftField;
use crate::preflight::TimeEstimate;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct ComposeView<'a> {
    /// The draft.
    pub(in crate::app) draft: &'a Draft,
    /// The errors that prevent the form from running, at most one per field.
    pub(in crate::app) problems: &'a [Error],
    /// The capabilities of the chosen model, if it is installed.
    pub(in crate::app) limits: Option<&'a Limits>,
    /// The preflight of the form.
    pub(in crate::app) preflight: PreflightStatus<'a>,
    /// The job that is being edited, if any.
    pub(in crate::app) editing: Option<&'a Editing>,
    /// The mode in which the form would run, if its model is installed.
    pub(in crate::app) mode: Option<Mode>,
    /// Whether the user set the mode, instead of leaving it to the inputs.
    pub(in crate::app) is_mode_set: bool,
    /// The reason for the current model and mode.
    pub(in crate::app) reason: &'a str,
    /// Models on this machine.
    pub(in crate::app) models: &'a [Installed],
    /// Whether a job is running, so that a new one has to wait.
    pub(in crate::app) is_busy: bool,
    /// How the next seed is chosen.
    pub(in crate::app) seed_mode: SeedMode,
    /// Number of videos that are queued at once.
    pub(in crate::app) num_videos: u32,
    /// The seed of the video that was queued last.
    pub(in crate::app) last_seed: Option<u64>,
}

/// Actions of the compose panel.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum ComposeAction {
    /// Replace the draft.
    Edit(Box<Draft>),
    /// Select this model with its preset; keep prompt and seed.
    ChooseModel(String),
    /// Select the best model for this mode with its preset; keep prompt, images and seed.
    ChooseMode(Mode),
    /// Return to the automatic mode.
    AutomaticMode,
    /// Submit the form as a job.
    Generate(Box<Draft>),
    /// How the next seed is chosen.
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
    /// Run preflight again, because the state of the machine may have changed.
    LookAgain,
    /// Add this LoRA.
    AddLora(PathBuf),
    /// Save the form to the job that is being edited.
    SaveJob(Box<Draft>),
    /// Stop editing the job without saving.
    LeaveJob,
}

/// The preflight of the form.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::app) enum PreflightStatus<'a> {
    /// No preflight: the form is invalid, or preflight is disabled.
    #[default]
    Off,
    /// Running; contains the result from before the last change, if any.
    Pending(Option<&'a Result<PreflightView>>),
    /// The result, or why preflight failed.
    Done(&'a Result<PreflightView>),
}

/// Estimated cost and findings of the form.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct PreflightView {
    /// Estimated peak memory, if known.
    pub(in crate::app) peak: Option<Bytes>,
    /// Available memory, if the system reports it.
    pub(in crate::app) free: Option<Bytes>,
    /// Estimated duration, if this machine has measurements.
    pub(in crate::app) time: Option<TimeEstimate>,
    /// Blockers first, then warnings, then notes.
    pub(in crate::app) findings: Vec<Finding>,
}

/// A job that is being edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct Editing {
    /// Its number.
    pub(in crate::app) job: JobId,
    /// Why it can no longer be changed.
    pub(in crate::app) locked_reason: Option<String>,
}
