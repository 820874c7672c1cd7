//! The documents that `--json` prints about finished work.

use serde::Serialize;

use super::history::Analysis;
use super::reproduction::Reproduction;
use crate::core::{Fps, FrameCount, Mode, Outcome, Seed};
use crate::jobs::EndStatus;

/// A finished video: its outcome, with the most important values of its request at the top.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeDocument<'a> {
    /// How the job ended.
    pub status: EndStatus,
    /// Mode.
    pub mode: Mode,
    /// Model id.
    pub model: &'a str,
    /// Seed.
    pub seed: Seed,
    /// Number of frames.
    pub frames: FrameCount,
    /// Frames per second.
    pub fps: Fps,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// All about the video.
    #[serde(flatten)]
    pub outcome: &'a Outcome,
    /// The comparison with the video that it reproduces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproduction: Option<&'a Reproduction>,
}

impl<'a> OutcomeDocument<'a> {
    /// The document of a finished job.
    pub fn new(outcome: &'a Outcome, reproduction: Option<&'a Reproduction>) -> Self {
        let request = &outcome.request;
        Self {
            status: EndStatus::Done,
            mode: request.mode,
            model: &request.model,
            seed: request.seed,
            frames: request.frames,
            fps: request.fps,
            width: request.size.width,
            height: request.size.height,
            outcome,
            reproduction,
        }
    }
}

/// Statistics over the jobs that ended recently.
#[derive(Clone, Debug, Serialize)]
pub struct AnalysisDocument<'a> {
    /// How far it looks back.
    pub hours: f64,
    /// Finished jobs as a fraction of finished and failed ones.
    pub success_rate: Option<f64>,
    /// What takes most of the time and what would help, one sentence.
    pub bottleneck: Option<String>,
    /// The statistics.
    #[serde(flatten)]
    pub analysis: &'a Analysis,
}

impl<'a> AnalysisDocument<'a> {
    /// The document of `analysis`, which covers the last `hours`.
    pub fn new(analysis: &'a Analysis, hours: f64) -> Self {
        let (success_rate, bottleneck) = (analysis.counts.success_rate(), analysis.sentence());
        Self { hours, success_rate, bottleneck, analysis }
    }
}
