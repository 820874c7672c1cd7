//! Progress and remaining time of a job, computed from its events.

use std::collections::VecDeque;

use super::event::{Event, Stage};
use super::units::Secs;

/// Number of recent steps that the rate is averaged over.
const WINDOW: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
struct StageProgress {
    stage: Stage,
    units: u32,
    done: u32,
    spent: f64,
    finished: bool,
}

/// Progress of a job. Pass it every event; the fraction never decreases.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    stages: Vec<StageProgress>,
    recent: VecDeque<f64>,
    current: Option<Stage>,
}

/// Rough weight of a stage in the total time, before anything is measured.
fn weight(stage: Stage, units: u32) -> f64 {
    match stage {
        Stage::Preflight => 0.1,
        Stage::Prepare | Stage::Text | Stage::PostProcess => 1.0,
        Stage::DenoiseHigh | Stage::DenoiseLow => f64::from(units),
        Stage::Image | Stage::Decode => f64::from(units) * 0.5,
    }
}

impl Progress {
    /// Updates the progress with an event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Started { plan, .. } => {
                let start =
                    |&(stage, units)| StageProgress { stage, units, done: 0, spent: 0.0, finished: false };
                *self = Self { stages: plan.iter().map(start).collect(), ..Self::default() };
            }
            Event::StageStarted { stage } => {
                self.current = Some(*stage);
                self.recent.clear();
            }
            Event::Step { stage, step, seconds, .. } => {
                if self.recent.len() == WINDOW {
                    self.recent.pop_front();
                }
                self.recent.push_back(seconds.0);
                if let Some(progress) = self.stage_mut(*stage) {
                    progress.done = progress.done.max(*step);
                    progress.spent += seconds.0;
                }
            }
            Event::StageFinished { stage, seconds } => {
                if let Some(progress) = self.stage_mut(*stage) {
                    progress.finished = true;
                    progress.spent = seconds.0;
                }
            }
            Event::Finished { .. } => self.stages.iter_mut().for_each(|stage| stage.finished = true),
            Event::Preview { .. }
            | Event::Note { .. }
            | Event::Warning { .. }
            | Event::Preflight { .. }
            | Event::Retrying { .. }
            | Event::Interrupted { .. }
            | Event::Failed { .. }
            | Event::Cancelled => {}
        }
    }

    /// The fraction done, from 0 to 1; never decreases.
    pub fn fraction(&self) -> f64 {
        let total: f64 = self.stages.iter().map(StageProgress::weight).sum();
        let done: f64 = self.stages.iter().map(StageProgress::weight_done).sum();
        if total > 0.0 { (done / total).min(1.0) } else { 0.0 }
    }

    /// The part of the whole that each stage has done, 0 to 1, in order.
    pub fn finished_shares(&self) -> impl Iterator<Item = (Stage, f64)> + '_ {
        let total: f64 = self.stages.iter().map(StageProgress::weight).sum();
        self.stages.iter().map(move |stage| (stage.stage, stage.weight_done() / total.max(f64::EPSILON)))
    }

    /// The current stage, its units done and its total number of units.
    pub fn stage(&self) -> Option<(Stage, u32, u32)> {
        let current = self.current_stage()?;
        Some((current.stage, current.done, current.units))
    }

    /// The remaining time at the measured rate; `None` before the first step.
    pub fn remaining(&self) -> Option<Secs> {
        let denoise =
            |progress: &&StageProgress| matches!(progress.stage, Stage::DenoiseHigh | Stage::DenoiseLow);
        let rate = if self.recent.is_empty() {
            let (steps, spent) =
                self.stages.iter().filter(denoise).fold((0, 0.0), |(n, s), p| (n + p.done, s + p.spent));
            if steps == 0 {
                return None;
            }
            spent / f64::from(steps)
        } else {
            self.recent.iter().sum::<f64>() / self.recent.len() as f64
        };
        // stages that are not measured yet are estimated from the current one by their weights
        let seconds_per_weight = rate / weight(self.current_stage()?.stage, 1).max(f64::EPSILON);
        let left: f64 = self.stages.iter().map(|stage| stage.weight() - stage.weight_done()).sum();
        Some(Secs(left * seconds_per_weight))
    }

    fn current_stage(&self) -> Option<&StageProgress> {
        self.stages.iter().find(|progress| Some(progress.stage) == self.current)
    }

    fn stage_mut(&mut self, stage: Stage) -> Option<&mut StageProgress> {
        self.stages.iter_mut().find(|progress| progress.stage == stage)
    }
}

impl StageProgress {
    fn weight(&self) -> f64 {
        weight(self.stage, self.units)
    }

    /// The part of the weight that is done.
    fn weight_done(&self) -> f64 {
        let total = self.weight();
        if self.finished { total } else { total * f64::from(self.done) / f64::from(self.units.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Seed;

    #[test]
    fn grows_step_by_step_and_ends_at_one() {
        let plan =
            vec![(Stage::Text, 1), (Stage::DenoiseHigh, 3), (Stage::DenoiseLow, 7), (Stage::Decode, 5)];
        let mut progress = Progress::default();
        progress.observe(&Event::Started { seed: Seed(0), plan: plan.clone() });
        assert!(progress.remaining().is_none());
        let mut last = progress.fraction();
        for (stage, units) in plan {
            progress.observe(&Event::StageStarted { stage });
            for step in 1..=units {
                progress.observe(&Event::Step { stage, step, of: units, seconds: Secs(2.0) });
                let now = progress.fraction();
                assert!(now > last && now - last < 0.2, "{stage} {step}: {last} to {now}");
                assert!(progress.remaining().unwrap().0 >= 0.0);
                last = now;
            }
            progress.observe(&Event::StageFinished { stage, seconds: Secs(2.0 * f64::from(units)) });
        }
        assert!((progress.fraction() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn time_left_follows_the_measured_rate() {
        let mut progress = Progress::default();
        progress.observe(&Event::Started { seed: Seed(0), plan: vec![(Stage::DenoiseHigh, 10)] });
        progress.observe(&Event::StageStarted { stage: Stage::DenoiseHigh });
        for step in 1..=4 {
            progress.observe(&Event::Step { stage: Stage::DenoiseHigh, step, of: 10, seconds: Secs(3.0) });
        }
        assert!((progress.remaining().unwrap().0 - 18.0).abs() < 1e-9);
    }
}
