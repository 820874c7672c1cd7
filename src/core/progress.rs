//! Progress and time left, worked out from events alone.

use std::collections::VecDeque;

use super::event::{Event, Stage};
use super::units::Secs;

/// Steps that the rate is averaged over.
const WINDOW: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    stage: Stage,
    units: u32,
    done: u32,
    spent: f64,
    over: bool,
}

/// How far a job is. Feed it every event; the fraction never goes back.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    parts: Vec<Part>,
    recent: VecDeque<f64>,
    current: Option<Stage>,
}

/// Rough share of a run's time per stage, before anything was measured.
fn share(stage: Stage, units: u32) -> f64 {
    match stage {
        Stage::Preflight => 0.1,
        Stage::Prepare | Stage::Text | Stage::PostProcess => 1.0,
        Stage::DenoiseHigh | Stage::DenoiseLow => f64::from(units),
        Stage::Image | Stage::Decode => f64::from(units) * 0.5,
    }
}

impl Progress {
    /// Takes in what happened.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Started { plan, .. } => {
                let part = |&(stage, units)| Part { stage, units, done: 0, spent: 0.0, over: false };
                *self = Self { parts: plan.iter().map(part).collect(), ..Self::default() };
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
                if let Some(part) = self.part_mut(*stage) {
                    part.done = part.done.max(*step);
                    part.spent += seconds.0;
                }
            }
            Event::StageFinished { stage, seconds } => {
                if let Some(part) = self.part_mut(*stage) {
                    part.over = true;
                    part.spent = seconds.0;
                }
            }
            Event::Finished { .. } => self.parts.iter_mut().for_each(|part| part.over = true),
            Event::Preview { .. }
            | Event::Note { .. }
            | Event::Warning { .. }
            | Event::Expected { .. }
            | Event::Retrying { .. }
            | Event::Interrupted { .. }
            | Event::Failed { .. }
            | Event::Cancelled => {}
        }
    }

    /// From 0 to 1, monotonic.
    pub fn fraction(&self) -> f64 {
        let total: f64 = self.parts.iter().map(|part| share(part.stage, part.units)).sum();
        let done: f64 = self.parts.iter().map(Part::finished).sum();
        if total > 0.0 { (done / total).min(1.0) } else { 0.0 }
    }

    /// The stage that runs, with units done and in all.
    pub fn stage(&self) -> Option<(Stage, u32, u32)> {
        let part = self.parts.iter().find(|part| Some(part.stage) == self.current)?;
        Some((part.stage, part.done, part.units))
    }

    /// Seconds left, from the measured rate; none before the first step.
    pub fn remaining(&self) -> Option<Secs> {
        let denoise = |part: &&Part| matches!(part.stage, Stage::DenoiseHigh | Stage::DenoiseLow);
        let rate = if self.recent.is_empty() {
            let (steps, spent) =
                self.parts.iter().filter(denoise).fold((0, 0.0), |(n, s), p| (n + p.done, s + p.spent));
            if steps == 0 {
                return None;
            }
            spent / f64::from(steps)
        } else {
            self.recent.iter().sum::<f64>() / self.recent.len() as f64
        };
        let here = self.parts.iter().find(|part| Some(part.stage) == self.current)?;
        // seconds per share, so that stages not yet measured are guessed from the one that runs
        let per_share = rate / share(here.stage, 1).max(f64::EPSILON);
        let left: f64 = self.parts.iter().map(|part| share(part.stage, part.units) - part.finished()).sum();
        Some(Secs(left * per_share))
    }

    fn part_mut(&mut self, stage: Stage) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.stage == stage)
    }
}

impl Part {
    /// How much of the share is done.
    fn finished(&self) -> f64 {
        let whole = share(self.stage, self.units);
        if self.over { whole } else { whole * f64::from(self.done) / f64::from(self.units.max(1)) }
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
