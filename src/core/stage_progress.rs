//! How far one stage of a job is, and what it weighs in the whole.

use serde::{Deserialize, Serialize};

use super::event::Stage;

/// Work of the first chunk of the VAE relative to a later one, which is four frames instead of one.
const FIRST_CHUNK: f64 = 0.3;

/// What is known of one stage of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StageProgress {
    pub(super) stage: Stage,
    pub(super) units: u32,
    pub(super) done: u32,
    /// Units that an earlier run did.
    pub(super) resumed: u32,
    pub(super) loading: f64,
    pub(super) work: f64,
    pub(super) is_started: bool,
    pub(super) is_finished: bool,
    /// Seconds of each unit that was measured.
    pub(super) measured: Vec<f64>,
    /// The part of the bar that it has moved.
    pub(super) share: f64,
}

/// Rough weight of a stage in the total time, before anything is known.
fn weight(stage: Stage, units: u32) -> f64 {
    match stage {
        Stage::Preflight => 0.1,
        Stage::Prepare | Stage::Text | Stage::PostProcess => 1.0,
        Stage::DenoiseHigh | Stage::DenoiseLow => f64::from(units),
        Stage::Image | Stage::Decode => f64::from(units) * 0.5,
    }
}

/// Whether it is a stage of denoising steps.
pub(super) fn is_denoise(stage: Stage) -> bool {
    matches!(stage, Stage::DenoiseHigh | Stage::DenoiseLow)
}

impl StageProgress {
    pub(super) fn new(stage: Stage, units: u32) -> Self {
        Self {
            stage,
            units,
            done: 0,
            resumed: 0,
            loading: 0.0,
            work: weight(stage, units),
            is_started: false,
            is_finished: false,
            measured: Vec::new(),
            share: 0.0,
        }
    }

    /// Whether a unit was done in this run, so that its network is loaded.
    pub(super) fn has_begun_units(&self) -> bool {
        !self.measured.is_empty()
    }

    /// Whether it is a denoising stage that has done a step in this run.
    pub(super) fn has_measured_step(&self) -> bool {
        is_denoise(self.stage) && self.has_begun_units()
    }

    /// What the units of an earlier run would have taken.
    pub(super) fn resumed_seconds(&self) -> f64 {
        let all = weighted_units(self, self.units).max(f64::EPSILON);
        self.work * weighted_units(self, self.resumed) / all
    }
}

/// So many units of a stage as full ones.
pub(super) fn weighted_units(stage: &StageProgress, units: u32) -> f64 {
    let is_vae = matches!(stage.stage, Stage::Image | Stage::Decode) && stage.units > 1;
    f64::from(units) - if is_vae && units > 0 { 1.0 - FIRST_CHUNK } else { 0.0 }
}
