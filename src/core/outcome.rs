//! What came out of a job and how it went; the record for history and `--json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::Stage;
use super::lora::LoraRecord;
use super::request::GenRequest;
use super::units::Secs;

/// Seconds a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which stage.
    pub name: Stage,
    /// How long.
    pub seconds: Secs,
}

/// One thing that post-processing looked at in the finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked, for instance "size".
    pub name: String,
    /// Whether it was as it should be.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
}

/// A finished job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The file, or the folder of a PNG sequence.
    pub output: PathBuf,
    /// What was asked.
    pub request: GenRequest,
    /// SHA-256 over the model's weight files' headers and sizes, see `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: String,
    /// What was done with each LoRA.
    pub loras: Vec<LoraRecord>,
    /// From the start of validation to the checked file.
    pub generation_time_s: Secs,
    /// Seconds of each stage, in order.
    pub stages: Vec<StageTime>,
    /// Seconds of each denoising step, in order.
    pub steps: Vec<Secs>,
    /// Largest resident memory of the process, MiB, where the system tells.
    pub peak_rss_mb: Option<f64>,
    /// Largest device memory, MiB; none on the CPU.
    pub peak_vram_mb: Option<f64>,
    /// Execution provider that ran the graphs.
    pub provider: String,
    /// Why that one, and which network computed in what.
    #[serde(default)]
    pub provider_reason: String,
    /// Number format the transformers computed in.
    pub precision: String,
    /// Attempts after the first.
    pub retries: u32,
    /// What was switched on to save time or memory.
    pub optimizations: Vec<String>,
    /// What was done differently than asked, or deserves a look.
    pub warnings: Vec<String>,
    /// What was checked in the finished file.
    pub checks: Vec<Check>,
}
