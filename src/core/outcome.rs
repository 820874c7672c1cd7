//! The result of a finished job, as history and `--json` record it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::device::DeviceId;
use super::event::Stage;
use super::lora::LoraRecord;
use super::request::GenRequest;
use super::units::Secs;

/// Duration of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage.
    pub name: Stage,
    /// Its duration.
    pub seconds: Secs,
}

/// One check of the finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name of the check, for instance "size".
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// The measured value, and the expected one where they are compared.
    pub detail: String,
}

/// What a step cache saved in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepCacheRecord {
    /// Threshold that was set.
    pub threshold: f32,
    /// Numbers of the skipped steps, counted from 1 over the whole run.
    pub skipped: Vec<u32>,
    /// Steps of the run, computed and skipped.
    pub steps: u32,
    /// How many times faster the steps were than if each had taken as long as a computed one; `None` if no step was
    /// computed since the run was resumed.
    pub speedup: Option<f64>,
}

impl fmt::Display for StepCacheRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step cache {}: {} of {} steps skipped", self.threshold, self.skipped.len(), self.steps)?;
        match self.speedup {
            Some(speedup) if !self.skipped.is_empty() => write!(f, ", denoising about {speedup:.1}x as fast"),
            _ => Ok(()),
        }
    }
}

/// Result of a finished job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The video file, or the folder of a PNG sequence.
    pub output: PathBuf,
    /// The request that ran.
    pub request: GenRequest,
    /// SHA-256 over the model's weight files' headers and sizes, see `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: String,
    /// How each LoRA was applied.
    pub loras: Vec<LoraRecord>,
    /// Time from the start of validation to the checked file.
    pub generation_time_s: Secs,
    /// Duration of each stage, in order.
    pub stages: Vec<StageTime>,
    /// Duration of each denoising step, in order.
    pub steps: Vec<Secs>,
    /// What the step cache saved; `None` if it was off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<StepCacheRecord>,
    /// Peak resident memory of the process in MiB, where the system reports it.
    pub peak_rss_mb: Option<f64>,
    /// Peak device memory in MiB; `None` on the CPU.
    pub peak_vram_mb: Option<f64>,
    /// Execution provider that ran the graphs.
    pub provider: String,
    /// Device that ran the graphs; none in records of old versions.
    #[serde(default)]
    pub device: Option<DeviceId>,
    /// Why this provider was selected, and the compute type of each component.
    #[serde(default)]
    pub provider_reason: String,
    /// Precision of the transformers.
    pub precision: String,
    /// Attempts after the first.
    pub retries: u32,
    /// Sessions that were loaded, not counting those that earlier jobs left loaded; none in records of old versions.
    #[serde(default)]
    pub sessions_loaded: Option<u32>,
    /// Optimisations in use that save time or memory.
    pub optimizations: Vec<String>,
    /// Deviations from the request and other warnings.
    pub warnings: Vec<String>,
    /// Checks of the finished file.
    pub checks: Vec<Check>,
}
