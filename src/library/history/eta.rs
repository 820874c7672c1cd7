//! Estimates the duration of a run from earlier runs.

use std::fmt;

use serde::Serialize;

use crate::core::{Draft, Secs, Stage};
use crate::jobs::HistoryEntry;

/// Pixel frames that become one latent frame, in every Wan VAE.
const FRAMES_PER_LATENT: u32 = 4;

/// An estimated duration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HistoryEstimate {
    /// The estimate.
    pub seconds: Secs,
    /// Number of runs that it is based on.
    pub num_runs: usize,
}

impl fmt::Display for HistoryEstimate {
    /// For instance "about 4 min 00 s, from 6 earlier runs".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.num_runs == 1 { "run" } else { "runs" };
        write!(f, "about {}, from {} earlier {runs}", self.seconds, self.num_runs)
    }
}

/// Estimates the duration of `draft` from the runs of [`super::History::like_runs`]; `None` if none is usable.
///
/// Each run is scaled to the draft stage by stage: denoising by tokens, passes and steps; image encoding and decoding
/// by tokens; loading and text encoding not at all. The result is the median, so that a single run on a busy machine
/// has little effect.
pub fn expected(draft: &Draft, earlier: &[HistoryEntry]) -> Option<HistoryEstimate> {
    let work = Work::of(draft);
    let mut seconds: Vec<f64> = earlier.iter().filter_map(|task| scaled(task, work)).collect();
    seconds.sort_by(f64::total_cmp);
    let median = *seconds.get(seconds.len() / 2)?;
    Some(HistoryEstimate { seconds: Secs(median), num_runs: seconds.len() })
}

/// The quantities that the duration of a run is proportional to.
#[derive(Clone, Copy)]
struct Work {
    /// Pixels of all latent frames, proportional to the number of tokens.
    tokens: f64,
    /// Number of transformer passes: steps, times two with guidance.
    passes: f64,
}

impl Work {
    fn of(draft: &Draft) -> Self {
        let latent_frames = draft.frames.saturating_sub(1) / FRAMES_PER_LATENT + 1;
        let guided = |scale: f32| if scale > 1.0 { 2.0 } else { 1.0 };
        // the boundary depends on the model, so half of the steps are assumed for each expert
        let low = draft.guidance_low.unwrap_or(draft.guidance);
        let passes = f64::from(draft.steps) * (guided(draft.guidance) + guided(low)) / 2.0;
        Self { tokens: draft.size.area() as f64 * f64::from(latent_frames), passes }
    }
}

fn scaled(task: &HistoryEntry, to: Work) -> Option<f64> {
    let draft = task.draft()?;
    let from = Work::of(&draft);
    // skipped steps take no time, and a resumed run has not computed all steps
    let is_partial = task.step_cache.is_some() || task.steps.len() < draft.steps as usize;
    if from.tokens <= 0.0 || from.passes <= 0.0 || task.stages.is_empty() || is_partial {
        return None;
    }
    let tokens = to.tokens / from.tokens;
    let steps: f64 = task.steps.iter().map(|step| step.0).sum();
    let stages = task.stages.iter().map(|stage| match stage.name {
        Stage::Image | Stage::Decode | Stage::PostProcess => stage.seconds.0 * tokens,
        Stage::Preflight | Stage::Prepare | Stage::Text | Stage::DenoiseHigh | Stage::DenoiseLow => {
            stage.seconds.0
        }
    });
    // a denoise stage includes loading its network
    let fixed_and_frames = stages.sum::<f64>() - steps;
    let denoising = steps * tokens * to.passes / from.passes;
    Some(fixed_and_frames.max(0.0) + denoising)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Resolution, StageTime};
    use crate::library::history::fixture;

    fn run(denoise: f64) -> HistoryEntry {
        let stage = |name, seconds| StageTime { name, seconds: Secs(seconds) };
        HistoryEntry {
            stages: vec![
                stage(Stage::Text, 3.0),
                stage(Stage::DenoiseHigh, denoise + 2.0),
                stage(Stage::Decode, 4.0),
            ],
            steps: vec![Secs(denoise / 4.0); 4],
            ..fixture::task("a", 0)
        }
    }

    #[test]
    fn the_same_again_takes_the_median() {
        let draft = run(1.0).draft().unwrap();
        let found = expected(&draft, &[run(10.0), run(1000.0), run(11.0)]).unwrap();
        assert_eq!((found.seconds, found.num_runs), (Secs(20.0), 3));
        assert_eq!(found.to_string(), "about 20 s, from 3 earlier runs");
        assert_eq!(expected(&draft, &[]), None);
    }

    #[test]
    fn more_pixels_steps_and_passes_take_longer_and_loading_does_not() {
        let draft = run(10.0).draft().unwrap();
        let seconds = |draft: &Draft| expected(draft, &[run(10.0)]).unwrap().seconds.0;
        assert!((seconds(&draft) - 19.0).abs() < 1e-9);
        let steps = Draft { steps: draft.steps * 2, ..draft.clone() };
        assert!((seconds(&steps) - 29.0).abs() < 1e-9);
        let size = Draft { size: Resolution::new(draft.size.width * 2, draft.size.height), ..draft.clone() };
        assert!((seconds(&size) - (3.0 + 2.0 + 20.0 + 8.0)).abs() < 1e-9);
        let unguided = Draft { guidance: 1.0, guidance_low: Some(1.0), ..draft.clone() };
        assert!((seconds(&unguided) - 14.0).abs() < 1e-9);
        assert_eq!(expected(&draft, &[fixture::task("b", 0)]), None, "a run without stages helps nothing");
        // it went on from a resume point or from the switch state of another job
        let resumed = HistoryEntry { steps: vec![Secs(2.5); 2], ..run(10.0) };
        assert_eq!(
            expected(&draft, std::slice::from_ref(&resumed)),
            None,
            "half of the steps were computed before"
        );
        assert_eq!(expected(&draft, &[resumed, run(10.0)]).map(|found| found.num_runs), Some(1));
    }
}
