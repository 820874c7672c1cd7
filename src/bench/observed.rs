//! What is seen of a job while it runs: its stages, their steps and memory.

use crate::core::{Bytes, Event, Secs, Stage};
use crate::monitor::{peak_resident, reset_peak_resident};

/// A stage that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ObservedStage {
    pub(super) stage: Stage,
    pub(super) seconds: Secs,
    pub(super) steps: Vec<Secs>,
    /// Peak resident memory of the process.
    pub(super) peak: Option<Bytes>,
}

/// A job as its events tell it.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub(super) precision: String,
    pub(super) stages: Vec<ObservedStage>,
    steps: Vec<Secs>,
}

impl Observed {
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::RunsOn { precision, .. } => self.precision.clone_from(precision),
            Event::StageStarted { .. } => {
                self.steps.clear();
                reset_peak_resident();
            }
            Event::Step { seconds, .. } => self.steps.push(*seconds),
            Event::StageFinished { stage, seconds } => self.stages.push(ObservedStage {
                stage: *stage,
                seconds: *seconds,
                steps: std::mem::take(&mut self.steps),
                peak: peak_resident(),
            }),
            _ => {}
        }
    }

    pub(super) fn stage(&self, stage: Stage) -> Option<&ObservedStage> {
        self.stages.iter().find(|one| one.stage == stage)
    }
}

impl ObservedStage {
    /// Duration of the stage without its steps.
    pub(super) fn load(&self) -> Secs {
        Secs((self.seconds.0 - self.all_steps().0).max(0.0))
    }

    pub(super) fn all_steps(&self) -> Secs {
        Secs(self.steps.iter().map(|step| step.0).sum())
    }

    /// Median of the steps after the first; the first if there is no other.
    pub(super) fn later_step(&self) -> Option<Secs> {
        let later = if self.steps.len() > 1 { &self.steps[1..] } else { &self.steps[..] };
        let mut later: Vec<f64> = later.iter().map(|step| step.0).collect();
        later.sort_by(f64::total_cmp);
        later.get(later.len() / 2).copied().map(Secs)
    }

    /// The first step over the later ones.
    pub(super) fn first_ratio(&self) -> Option<f64> {
        let (first, later) = (self.steps.first()?, self.later_step()?);
        (self.steps.len() > 1 && later.0 > 0.0).then(|| first.0 / later.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_divided_into_loading_and_steps() {
        let mut seen = Observed::default();
        let stage = Stage::DenoiseHigh;
        seen.observe(&Event::StageStarted { stage });
        for (step, seconds) in [(1, 3.0), (2, 2.0), (3, 1.5), (4, 2.5)] {
            seen.observe(&Event::Step { stage, step, of: 4, seconds: Secs(seconds) });
        }
        seen.observe(&Event::StageFinished { stage, seconds: Secs(10.0) });
        let found = seen.stage(stage).unwrap();
        assert_eq!((found.load(), found.later_step()), (Secs(1.0), Some(Secs(2.0))));
        assert_eq!(found.first_ratio(), Some(1.5));
        assert_eq!(seen.stage(Stage::Decode), None);
    }
}
