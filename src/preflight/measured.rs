//! Earlier runs on this machine, as data.

use serde::{Deserialize, Serialize};

use super::facts::Preflight;
use crate::core::{Bytes, FrameCount, Mode, Resolution, Secs, Stage, WeightsChoice};

/// A run that ended well, with what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredRun {
    /// `wan::Checkpoint::fingerprint`.
    pub model_fingerprint: String,
    /// The mode.
    pub mode: Mode,
    /// Width and height.
    pub size: Resolution,
    /// Frames.
    pub frames: FrameCount,
    /// Steps of the high-noise and of the low-noise expert.
    pub steps: [u32; 2],
    /// Passes of the transformer in a step of each: 2 with guidance.
    pub passes: [u32; 2],
    /// What the transformers computed in.
    pub precision: String,
    /// What ran the graphs.
    pub provider: String,
    /// Where the weights were.
    pub weights: WeightsChoice,
    /// Edge of the VAE's tiles in pixels, if the picture was cut.
    pub vae_tile: Option<u32>,
    /// Seconds of each stage.
    pub stages: Vec<(Stage, Secs)>,
    /// What the formula of the work says of each of these stages, for a ratio between models. See `time.rs`.
    pub work: Vec<(Stage, f64)>,
    /// Seconds of a denoising step, the median.
    pub seconds_per_step: Option<Secs>,
    /// Largest resident memory of the process.
    pub peak: Option<Bytes>,
}

impl MeasuredRun {
    /// Seconds of a stage, if it ran.
    pub fn seconds(&self, stage: Stage) -> Option<f64> {
        self.stages.iter().find(|(name, _)| *name == stage).map(|(_, seconds)| seconds.0)
    }

    /// Work of a stage, if it is known.
    pub fn work_of(&self, stage: Stage) -> Option<f64> {
        self.work.iter().find(|(name, _)| *name == stage).map(|(_, work)| *work).filter(|work| *work > 0.0)
    }
}

/// An estimate held against what was measured: estimated / measured - 1, so 0.1 is ten percent too much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Of the largest memory.
    pub memory: Option<f64>,
    /// Of the time.
    pub time: Option<f64>,
}

/// How far off a look before a run was.
pub fn compare(before: &Preflight, peak: Option<Bytes>, seconds: Secs) -> Comparison {
    let off = |estimated: f64, measured: f64| (measured > 0.0).then(|| estimated / measured - 1.0);
    Comparison {
        memory: peak.and_then(|peak| off(before.peak().0 as f64, peak.0 as f64)),
        time: before.time.as_ref().and_then(|time| off(time.seconds.0, seconds.0)),
    }
}
