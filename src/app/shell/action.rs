//! What a panel can ask for. Panels change nothing themselves.

use std::path::PathBuf;

use crate::core::{Draft, Fix, Mode};
use crate::jobs::JobId;
use crate::worker::QueueCommand;

/// One wish of the person; `App` carries it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The form now reads like this.
    Edit(Box<Draft>),
    /// Take this model and its preset; prompt and seed stay.
    ChooseModel(String),
    /// Take the best model that does this, and its preset; prompt, pictures and seed stay.
    ChooseMode(Mode),
    /// Make a video from this form.
    Generate(Box<Draft>),
    /// Stop the job that runs.
    Cancel,
    /// Do the last job again, after this change if there is one.
    Retry(Option<Fix>),
    /// Look at the form again: the machine may have changed.
    LookAgain,
    /// Take this LoRA into the form.
    AddLora(PathBuf),
    /// Take a job that waits into the form.
    EditJob(JobId),
    /// Give the job that is in the form this form.
    SaveJob(Box<Draft>),
    /// Leave the job that is in the form as it was.
    LeaveJob,
    /// Look for models on the disk again.
    FindModels,
    /// Close the message of the last job.
    Dismiss,
    /// Bring back the request that made this file, and show it.
    Restore(PathBuf),
    /// Something for the queue.
    Queue(QueueCommand),
    /// Something for the player.
    Player(PlayerAction),
}

/// What the player can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerAction {
    /// Play or pause.
    Toggle,
    /// Pause, and go this many frames on, around the end.
    Step(i32),
    /// Go to this frame, counted from 0.
    Seek(u32),
}
