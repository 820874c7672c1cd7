//! Events of a running job. One channel carries all of them, in order.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::finding::Finding;
use super::frame::Frame;
use super::mode::Mode;
use super::outcome::Outcome;
use super::progress::StageEstimate;
use super::units::{Bytes, Secs, Seed};

/// Stages of a job, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Checks of the model, the disk and the settings before anything expensive.
    Preflight,
    /// Builds the graphs over the model's weights.
    Prepare,
    /// Encodes the prompt.
    Text,
    /// Encodes the start and end images.
    Image,
    /// Denoises with the high-noise expert, or with the only transformer.
    DenoiseHigh,
    /// Denoises with the low-noise expert.
    DenoiseLow,
    /// Decodes the latents to frames.
    Decode,
    /// Writes the video file and checks it.
    PostProcess,
}

impl Stage {
    /// The name of the stage in a job with one or two experts: "Denoise" if there is only one.
    pub fn name(self, has_two_experts: bool) -> &'static str {
        match self {
            Self::Preflight => "Preflight",
            Self::Prepare => "Prepare",
            Self::Text => "Encode text",
            Self::Image => "Encode image",
            Self::DenoiseHigh if !has_two_experts => "Denoise",
            Self::DenoiseHigh => "Denoise, high noise",
            Self::DenoiseLow => "Denoise, low noise",
            Self::Decode => "Decode",
            Self::PostProcess => "Write and check",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name(true))
    }
}

/// What the preflight expects of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageForecast {
    /// The stage.
    pub stage: Stage,
    /// Multiplications and additions of its graphs; `None` for stages that compute little.
    pub operations: Option<f64>,
    /// Duration; `None` without an earlier run on this machine.
    pub seconds: Option<Secs>,
    /// Shortest and longest duration, from the times of the earlier runs that the estimate is based on.
    pub seconds_range: Option<[Secs; 2]>,
    /// Peak memory of the process, or of its share of the device that computes.
    pub memory: Option<Bytes>,
}

/// An event of a job. `Finished`, `Failed` and `Cancelled` are terminal: a job sends exactly one of them.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The job started.
    Started {
        /// The seed in use.
        seed: Seed,
        /// Its stages with their number of units (steps, chunks).
        plan: Vec<(Stage, u32)>,
    },
    /// A stage started.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A unit of a stage is done: a denoising step or a decoded chunk.
    Step {
        /// The stage.
        stage: Stage,
        /// Units done so far, at least 1.
        step: u32,
        /// Total number of units.
        of: u32,
        /// Duration of this unit.
        seconds: Secs,
    },
    /// A preview of the video so far; may be skipped.
    Preview {
        /// The current stage.
        stage: Stage,
        /// A small image for each latent frame, one pixel for each latent cell.
        #[serde(skip)]
        frames: Arc<[Frame]>,
        /// Time spent on the preview.
        seconds: Secs,
    },
    /// A stage finished.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// Its duration.
        seconds: Secs,
    },
    /// Progress of something outside the stages, such as a download.
    Note {
        /// One sentence.
        message: String,
    },
    /// The execution provider compiles a component for the device; sent about once a second until it is done.
    BuildingEngine {
        /// Name of the component.
        component: String,
        /// Time so far.
        seconds: Secs,
    },
    /// A deviation from the request, or something else to look at.
    Warning {
        /// One sentence.
        message: String,
    },
    /// The result of the preflight.
    Preflight {
        /// Findings.
        findings: Vec<Finding>,
        /// Estimated generation time; `None` without an earlier run of the model on this machine.
        seconds: Option<Secs>,
        /// Estimated duration of each stage; without an earlier run only their proportions mean something.
        durations: Vec<StageEstimate>,
        /// Estimated peak memory of the process in MiB, if it can be estimated.
        peak_mb: Option<f64>,
        /// What is expected of each stage, in the order they run.
        stages: Vec<StageForecast>,
    },
    /// What runs the job, known before anything expensive.
    RunsOn {
        /// Model id.
        model: String,
        /// Fingerprint of the model, see `wan::Checkpoint::fingerprint`.
        model_fingerprint: String,
        /// The mode.
        mode: Mode,
        /// Execution provider that runs the graphs.
        provider: String,
        /// Precision of the transformers.
        precision: String,
    },
    /// An earlier run has done a part of the job, which goes on from there.
    Resumed {
        /// Units done of each stage.
        done: Vec<(Stage, u32)>,
    },
    /// ONNX Runtime's profile of one network is complete.
    Profiled {
        /// Name of the network.
        network: String,
        /// The file, in Chrome's trace format.
        path: PathBuf,
        /// Time since the profile began.
        seconds: Secs,
    },
    /// An attempt failed and the job is retried.
    Retrying {
        /// Number of the next attempt, at least 2.
        attempt: u32,
        /// Largest number of attempts.
        of: u32,
        /// Delay before the next attempt.
        delay: Secs,
        /// What failed, the fixes applied, and the delay before the retry.
        message: String,
    },
    /// The job was interrupted and will resume from its last step; not terminal.
    Interrupted {
        /// Reason.
        message: String,
    },
    /// The video is finished.
    Finished {
        /// The result.
        outcome: Box<Outcome>,
    },
    /// The job failed.
    Failed {
        /// The error.
        error: Error,
    },
    /// The job was cancelled.
    Cancelled,
}

impl Event {
    /// Whether this is the last event of a job.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed { .. } | Self::Cancelled)
    }
}
