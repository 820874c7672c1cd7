//! Earlier runs on this machine, and how well they were estimated.

use serde::{Deserialize, Serialize};

use super::report::PreflightReport;
use crate::core::{Bytes, FrameCount, Mode, Resolution, Secs, Stage, WeightsChoice};

/// A finished run and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredRun {
    /// `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: String,
    /// The mode.
    pub mode: Mode,
    /// Width and height.
    pub size: Resolution,
    /// Number of frames.
    pub frames: FrameCount,
    /// Steps of the high-noise and of the low-noise expert.
    pub steps: [u32; 2],
    /// Transformer passes in a step of the high-noise and of the low-noise expert: 2 with guidance, else 1.
    pub passes: [u32; 2],
    /// What the transformers computed in, for instance "fp32" or "int8".
    pub precision: String,
    /// The execution provider, for instance "cpu".
    pub provider: String,
    /// Where the weights were.
    pub weights: WeightsChoice,
    /// Size of the VAE tiles in pixels; `None` if frames were decoded whole.
    pub vae_tile: Option<u32>,
    /// Seconds of each stage.
    pub stages: Vec<(Stage, Secs)>,
    /// Seconds of the stages' steps alone, where they were measured; the rest of such a stage is loading.
    pub stepping: Vec<(Stage, Secs)>,
    /// Work of each of these stages by the formula in `time.rs`.
    pub work: Vec<(Stage, f64)>,
    /// Median seconds of a denoising step.
    pub seconds_per_step: Option<Secs>,
    /// Peak resident memory of the process.
    pub peak: Option<Bytes>,
}

impl MeasuredRun {
    /// Seconds of a stage, if it ran.
    pub fn seconds(&self, stage: Stage) -> Option<f64> {
        self.stages.iter().find(|(name, _)| *name == stage).map(|(_, seconds)| seconds.0)
    }

    /// Seconds of a stage without its steps, and of its steps.
    pub fn loading_and_work(&self, stage: Stage) -> Option<(f64, f64)> {
        let whole = self.seconds(stage)?;
        let steps = self.stepping.iter().find(|(name, _)| *name == stage).map(|(_, seconds)| seconds.0);
        Some(steps.map_or((0.0, whole), |steps| ((whole - steps).max(0.0), steps)))
    }

    /// Work of a stage, if it is known and above 0.
    pub fn work_of(&self, stage: Stage) -> Option<f64> {
        self.work.iter().find(|(name, _)| *name == stage).map(|(_, work)| *work).filter(|work| *work > 0.0)
    }
}

/// Relative error of an estimate: estimated / measured - 1, so 0.1 means estimated 10 % too high.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EstimateError {
    /// Error of the peak memory.
    pub memory: Option<f64>,
    /// Error of the duration.
    pub time: Option<f64>,
}

/// Compares a report with the peak memory and the duration of the run that followed.
pub fn estimate_error(report: &PreflightReport, peak: Option<Bytes>, seconds: Secs) -> EstimateError {
    let error = |estimated: f64, measured: f64| (measured > 0.0).then(|| estimated / measured - 1.0);
    EstimateError {
        memory: peak.and_then(|peak| error(report.peak().0 as f64, peak.0 as f64)),
        time: report.time.as_ref().and_then(|time| error(time.seconds.0, seconds.0)),
    }
}
