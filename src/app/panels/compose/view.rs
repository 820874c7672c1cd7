//! The data and actions of the compose panel.

use std::path::PathBuf;

use crate::app::background::inputs::{InputSource, InputWell, WellView};
use crate::app::form::{PresetPreview, SeedMode};
use crate::app::shell::command::Command;
use crate::core::{Bytes, Draft, Error, Finding, Fix, Limits, Mode, Result, Secs};
use crate::jobs::JobId;
use crate::models::Installed;
use crate::monitor::DeviceInfo;
use crate::plan::{ModelFit, Profile};
use crate::preflight::{DiskSpace, StageMemory, TimeEstimate};

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
    /// The draft that the form is compared with: the preset's, or the defaults of the model.
    pub(in crate::app) reference: Option<&'a Draft>,
    /// The preset that was applied last.
    pub(in crate::app) preset: Option<&'a str>,
    /// What the presets would change; asked for when they are shown.
    pub(in crate::app) presets: &'a dyn Fn() -> Vec<PresetPreview>,
    /// How well the models fit this machine, as far as it is known.
    pub(in crate::app) fits: &'a [ModelFit],
    /// What a model that is not an official one can draw.
    pub(in crate::app) about_model: Option<&'a str>,
    /// Whether the folders of models were read.
    pub(in crate::app) is_scanned: bool,
    /// The ranges of the mode, for an official model.
    pub(in crate::app) profile: Option<&'a Profile>,
    /// Tokens of the prompt and of the negative prompt, as far as they are counted.
    pub(in crate::app) tokens: Option<TokenCounts>,
    /// What start and end well show.
    pub(in crate::app) wells: [WellView<'a>; 2],
    /// Finished videos whose last frame can be used, the newest first.
    pub(in crate::app) results: &'a [ResultFile],
    /// The time limit of the form's jobs, if they have one.
    pub(in crate::app) time_limit: Option<Secs>,
    /// Whether that limit is the form's own, instead of the settings'.
    pub(in crate::app) is_limit_own: bool,
    /// The GPUs of this machine.
    pub(in crate::app) devices: &'a [DeviceInfo],
    /// Whether there is something to undo, and something to redo.
    pub(in crate::app) can_undo_redo: [bool; 2],
}

/// Tokens of the two prompts, the end of text among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct TokenCounts {
    /// Of the prompt.
    pub(in crate::app) prompt: usize,
    /// Of the negative prompt.
    pub(in crate::app) negative: usize,
}

/// A finished video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app) struct ResultFile {
    /// How it is called in a list.
    pub(in crate::app) title: String,
    /// The file.
    pub(in crate::app) path: PathBuf,
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
    /// Carry out a suggested fix of preflight that is no change of the draft alone.
    Fix(Fix),
    /// Give the form's jobs this time limit in seconds, 0 for none; `None` for that of the settings.
    TimeLimit(Option<u64>),
    /// How the next seed is chosen.
    SeedMode(SeedMode),
    /// Queue this many videos at once, each with its own seed.
    NumVideos(u32),
    /// Use the seed of the video that was queued last, and keep it.
    ReuseSeed,
    /// Take the settings of this preset into the form.
    ApplyPreset(String),
    /// Put this image or clip into a well, or take out what is in it.
    SetInput(InputWell, Option<InputSource>),
    /// Choose a file for a well in a dialog.
    Browse(InputWell),
    /// Put what the clipboard holds into a well.
    Paste(InputWell),
    /// Swap start and end image.
    SwapImages,
    /// Carry out a command.
    Command(Command),
    /// Ask preflight again: the machine may have changed.
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

/// What a run of the form will cost, and what is in its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::app) struct PreflightView {
    /// Estimated peak memory, if known.
    pub(in crate::app) peak: Option<Bytes>,
    /// Available memory, if the system reports it.
    pub(in crate::app) free: Option<Bytes>,
    /// Peak memory of each stage, of the GPU if one computes.
    pub(in crate::app) stages: Vec<StageMemory>,
    /// The folders that it writes to.
    pub(in crate::app) disk_space: Vec<DiskSpace>,
    /// What its graphs run on, for instance "CPU".
    pub(in crate::app) runs_on: String,
    /// The time, if anything was ever measured on this machine.
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
