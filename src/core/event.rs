//! What a run tells while it goes on. One channel carries all of it, so the order is the story.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::finding::Finding;
use super::frame::Frame;
use super::outcome::Outcome;
use super::units::{Secs, Seed};

/// The stages of a job, in the order they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Model, disk and parameters are looked at before anything expensive.
    Preflight,
    /// Graphs are built over the model's tensors.
    Prepare,
    /// The prompt is encoded.
    Text,
    /// The given pictures are encoded.
    Image,
    /// Denoising by the high-noise expert, or by the only transformer.
    DenoiseHigh,
    /// Denoising by the low-noise expert.
    DenoiseLow,
    /// Latents become frames.
    Decode,
    /// Frames become a file, and the file is checked.
    PostProcess,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preflight => "Preflight",
            Self::Prepare => "Prepare",
            Self::Text => "Encode text",
            Self::Image => "Encode image",
            Self::DenoiseHigh => "Denoise, high noise",
            Self::DenoiseLow => "Denoise, low noise",
            Self::Decode => "Decode",
            Self::PostProcess => "Write and check",
        })
    }
}

/// One thing that happened. `Finished`, `Failed` and `Cancelled` are terminal: a job sends exactly one of them.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The job left the queue. `plan` lists its stages with their number of units (steps, chunks).
    Started {
        /// The seed that is used.
        seed: Seed,
        /// Stages to come and their units.
        plan: Vec<(Stage, u32)>,
    },
    /// A stage began.
    StageStarted {
        /// Which.
        stage: Stage,
    },
    /// A unit of a stage is done: a denoising step, a decoded chunk.
    Step {
        /// Of which stage.
        stage: Stage,
        /// Units done, from 1.
        step: u32,
        /// Units in all.
        of: u32,
        /// How long this one took.
        seconds: Secs,
    },
    /// What the video looks like so far; may be skipped.
    Preview {
        /// During which stage.
        stage: Stage,
        /// A small picture for each latent frame, a pixel for each of its cells.
        #[serde(skip)]
        frames: Arc<[Frame]>,
        /// What the preview cost.
        seconds: Secs,
    },
    /// A stage is over.
    StageFinished {
        /// Which.
        stage: Stage,
        /// How long it took.
        seconds: Secs,
    },
    /// Something a person waits for, such as a download.
    Note {
        /// One sentence.
        message: String,
    },
    /// Something was done differently than asked, or deserves a look.
    Warning {
        /// One sentence.
        message: String,
    },
    /// What the look before the run expects of it.
    Expected {
        /// What was found.
        findings: Vec<Finding>,
        /// How long it will take, if anything was ever measured here.
        seconds: Option<Secs>,
        /// Largest memory of the process, MiB, if it can be said.
        peak_mb: Option<f64>,
    },
    /// An attempt failed and is repeated, changed in what the message says.
    Retrying {
        /// Which attempt comes, from 2.
        attempt: u32,
        /// What failed, what is changed, and when it goes on.
        message: String,
    },
    /// The job left the engine and goes on later from its last step; not its end.
    Interrupted {
        /// Why.
        message: String,
    },
    /// The video is there.
    Finished {
        /// What came out and how it went.
        outcome: Box<Outcome>,
    },
    /// The job could not be done.
    Failed {
        /// Why, and what to do.
        error: Error,
    },
    /// The job was stopped as asked.
    Cancelled,
}

impl Event {
    /// Whether this is the last event of its job.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed { .. } | Self::Cancelled)
    }
}
