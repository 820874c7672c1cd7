//! Progress and remaining time of a job, computed from its events.
//!
//! The expected durations of the stages come from earlier runs on this machine where there are any, else from the work
//! of each stage; they are corrected by what the job itself measures. Every event moves the bar by its share of what is
//! left, so the bar never moves back, however wrong the expectation was.

use std::collections::VecDeque;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::event::{Event, Stage};
use super::stage_progress::{StageProgress, is_denoise, weighted_units};
use super::units::Secs;

/// Number of recent steps that the rate is averaged over.
const WINDOW: usize = 8;
/// How much slower or faster than earlier runs a job may be taken for by its first steps.
const LARGEST_CORRECTION: f64 = 3.0;

/// Expected duration of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StageEstimate {
    /// The stage.
    pub stage: Stage,
    /// Until its first step: its network is loaded.
    pub loading: Secs,
    /// All of its steps or chunks, or the whole stage if it has none.
    pub work: Secs,
}

impl StageEstimate {
    /// The whole stage.
    pub fn seconds(&self) -> Secs {
        Secs(self.loading.0 + self.work.0)
    }
}

/// Progress of a job. Pass it every event; within an attempt the fraction never decreases.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    stages: Vec<StageProgress>,
    recent: VecDeque<f64>,
    current: Option<Stage>,
    fraction: f64,
    /// Whether the expected durations are those of earlier runs, so that they are seconds.
    is_known: bool,
    /// Of this program; another one that reads the progress has none.
    #[serde(skip)]
    last_event: Option<Instant>,
}

impl Progress {
    /// Updates the progress with an event.
    pub fn observe(&mut self, event: &Event) {
        self.last_event = Some(Instant::now());
        match event {
            Event::Started { plan, .. } => {
                let stages = plan.iter().map(|&(stage, units)| StageProgress::new(stage, units)).collect();
                *self = Self { stages, last_event: self.last_event, ..Self::default() };
            }
            Event::Preflight { durations, seconds, .. } => self.expect(durations, seconds.is_some()),
            Event::Resumed { done } => self.resume(done),
            Event::StageStarted { stage } => self.start(*stage),
            Event::Step { stage, step, seconds, .. } => self.step(*stage, *step, seconds.0),
            Event::StageFinished { stage, seconds } => self.finish(*stage, seconds.0),
            Event::Finished { .. } => {
                self.stages.iter_mut().for_each(|stage| stage.is_finished = true);
                self.move_by(f64::INFINITY, self.current);
            }
            Event::Preview { .. }
            | Event::Note { .. }
            | Event::BuildingEngine { .. }
            | Event::Warning { .. }
            | Event::RunsOn { .. }
            | Event::Profiled { .. }
            | Event::Retrying { .. }
            | Event::Interrupted { .. }
            | Event::Failed { .. }
            | Event::Cancelled => {}
        }
    }

    /// The fraction done, from 0 to 1; never decreases.
    pub fn fraction(&self) -> f64 {
        self.fraction
    }

    /// The part of the whole that each stage has done, 0 to 1, in order.
    pub fn finished_shares(&self) -> impl Iterator<Item = (Stage, f64)> + '_ {
        self.stages.iter().map(|stage| (stage.stage, stage.share))
    }

    /// Whether the job denoises with a high-noise and a low-noise expert.
    pub fn has_two_experts(&self) -> bool {
        self.stages.iter().any(|progress| progress.stage == Stage::DenoiseLow)
    }

    /// The current stage, its units done and its total number of units.
    pub fn stage(&self) -> Option<(Stage, u32, u32)> {
        let current = self.stages.iter().find(|progress| Some(progress.stage) == self.current)?;
        Some((current.stage, current.done, current.units))
    }

    /// The remaining time at the last event; `None` before the first step of a job that is like no earlier one.
    pub fn remaining(&self) -> Option<Secs> {
        let is_measured = self.stages.iter().any(StageProgress::has_measured_step);
        let is_denoised = self.stages.iter().any(|stage| is_denoise(stage.stage) && stage.is_finished);
        (self.is_known || is_measured || is_denoised).then(|| Secs(self.seconds_left()))
    }

    /// The remaining time now: [`Self::remaining`], less the time since the last event.
    pub fn remaining_now(&self) -> Option<Secs> {
        let Secs(left) = self.remaining()?;
        let passed = self.last_event.map(|at| at.elapsed().as_secs_f64()).unwrap_or_default();
        // of a step that takes longer than expected, the steps after it are left
        let stage = self.stages.iter().find(|stage| Some(stage.stage) == self.current && !stage.is_finished);
        let running = stage.map_or(0.0, |stage| {
            if stage.has_begun_units() || stage.units > 1 {
                self.unit_seconds(stage)
            } else {
                stage.loading + stage.work
            }
        });
        Some(Secs(left - passed.min(running).min(left)))
    }

    fn expect(&mut self, expected: &[StageEstimate], is_known: bool) {
        for estimate in expected {
            if let Some(stage) = self.stage_mut(estimate.stage) {
                (stage.loading, stage.work) = (estimate.loading.0, estimate.work.0);
            }
        }
        // a stage that nothing is known about takes no time next to the others
        if !expected.is_empty() {
            let known = |stage: Stage| expected.iter().any(|estimate| estimate.stage == stage);
            for stage in self.stages.iter_mut().filter(|stage| !known(stage.stage)) {
                (stage.loading, stage.work) = (0.0, 0.0);
            }
        }
        self.is_known = is_known;
    }

    /// Begins where an earlier run left the job.
    fn resume(&mut self, done: &[(Stage, u32)]) {
        for &(stage, units) in done {
            if let Some(progress) = self.stage_mut(stage) {
                progress.resumed = units.min(progress.units);
                progress.done = progress.resumed;
                progress.is_finished = progress.done == progress.units;
            }
        }
        let before: Vec<_> = self.stages.iter().map(|stage| (stage.stage, stage.resumed_seconds())).collect();
        for (stage, seconds) in before.into_iter().filter(|(_, seconds)| *seconds > 0.0) {
            self.move_by(seconds, Some(stage));
        }
    }

    fn start(&mut self, stage: Stage) {
        // a stage that was skipped has nothing left
        for earlier in self.stages.iter_mut().filter(|earlier| earlier.stage < stage) {
            earlier.is_finished = true;
        }
        if self.current != Some(stage) {
            self.recent.clear();
        }
        self.current = Some(stage);
        if let Some(progress) = self.stage_mut(stage) {
            progress.is_started = true;
        }
    }

    fn step(&mut self, stage: Stage, step: u32, seconds: f64) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(seconds);
        let mut passed = seconds;
        if let Some(progress) = self.stage_mut(stage) {
            if !progress.has_begun_units() {
                passed += progress.loading;
            }
            progress.done = progress.done.max(step);
            progress.measured.push(seconds);
        }
        self.move_by(passed, Some(stage));
    }

    fn finish(&mut self, stage: Stage, seconds: f64) {
        let Some(progress) = self.stage_mut(stage) else { return };
        progress.is_finished = true;
        progress.done = progress.units;
        let loading = if progress.measured.is_empty() { 0.0 } else { progress.loading };
        let rest = (seconds - progress.measured.iter().sum::<f64>() - loading).max(0.0);
        let expected = progress.loading + progress.work;
        let has_scale = self.is_known || self.stages.iter().any(StageProgress::has_measured_step);
        // what is expected is no time before the first step, so a slow start must not fill the bar
        self.move_by(if has_scale { rest } else { rest.min(expected) }, Some(stage));
    }

    /// Moves the bar by what `seconds` are of them and of those that are left.
    fn move_by(&mut self, seconds: f64, stage: Option<Stage>) {
        let left = self.seconds_left();
        let part = if left > 0.0 && seconds.is_finite() {
            if seconds > 0.0 { seconds / (seconds + left) } else { 0.0 }
        } else if self.stages.iter().all(|stage| stage.is_finished) {
            1.0
        } else if seconds > 0.0 {
            // all steps are done, and a stage of which nothing is known is not
            0.5
        } else {
            0.0
        };
        let moved = (1.0 - self.fraction) * part;
        self.fraction = (self.fraction + moved).min(1.0);
        if let Some(progress) = stage.and_then(|stage| self.stage_mut(stage)) {
            progress.share += moved;
        }
    }

    fn seconds_left(&self) -> f64 {
        let correction = self.correction();
        let left = |stage: &StageProgress| {
            if stage.is_finished {
                return 0.0;
            }
            let loading = if stage.has_begun_units() { 0.0 } else { stage.loading };
            let (all, done) = (weighted_units(stage, stage.units), weighted_units(stage, stage.done));
            let seconds = if is_denoise(stage.stage) || !stage.measured.is_empty() {
                self.unit_seconds(stage) * (all - done)
            } else {
                stage.work * correction * (all - done) / all.max(f64::EPSILON)
            };
            loading * if self.is_known { 1.0 } else { correction } + seconds
        };
        self.stages.iter().map(left).sum()
    }

    /// How much longer this job's steps take than expected; 1 before the first.
    fn correction(&self) -> f64 {
        let denoise = |stage: &&StageProgress| is_denoise(stage.stage) && !stage.measured.is_empty();
        let (mut measured, mut expected) = (0.0, 0.0);
        for stage in self.stages.iter().filter(denoise) {
            measured += typical(stage.measured.iter().copied());
            expected += stage.work / f64::from(stage.units.max(1));
        }
        if expected <= 0.0 {
            return 1.0;
        }
        let correction = measured / expected;
        if self.is_known {
            correction.clamp(1.0 / LARGEST_CORRECTION, LARGEST_CORRECTION)
        } else {
            correction
        }
    }

    /// Expected seconds of the stage's next full unit.
    fn unit_seconds(&self, stage: &StageProgress) -> f64 {
        let expected = stage.work / weighted_units(stage, stage.units).max(f64::EPSILON) * self.correction();
        if stage.measured.is_empty() {
            return expected;
        }
        if is_denoise(stage.stage) {
            let recent = Some(stage.stage) == self.current && !self.recent.is_empty();
            return if recent {
                typical(self.recent.iter().copied())
            } else {
                typical(stage.measured.iter().copied())
            };
        }
        // the first chunk is not like the others, so what was expected counts as one more
        let spent: f64 = stage.measured.iter().sum();
        let units = weighted_units(stage, stage.done) - weighted_units(stage, stage.resumed);
        if stage.done == 1 { (expected + spent) / (1.0 + units) } else { spent / units.max(f64::EPSILON) }
    }

    fn stage_mut(&mut self, stage: Stage) -> Option<&mut StageProgress> {
        self.stages.iter_mut().find(|progress| progress.stage == stage)
    }
}

/// The mean of what is left without the largest value, which is often the first step's; of few values, the mean.
fn typical(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (count, sum) = values.clone().fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    match count {
        0 => 0.0,
        1..4 => sum / f64::from(count),
        _ => (sum - values.fold(0.0, f64::max)) / f64::from(count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Seed;

    fn started(plan: Vec<(Stage, u32)>) -> Progress {
        let mut progress = Progress::default();
        progress.observe(&Event::Started { seed: Seed(0), plan });
        progress
    }

    fn expect(progress: &mut Progress, stages: &[(Stage, f64, f64)], seconds: Option<f64>) {
        let estimate = |&(stage, loading, work): &(Stage, f64, f64)| StageEstimate {
            stage,
            loading: Secs(loading),
            work: Secs(work),
        };
        let durations = stages.iter().map(estimate).collect();
        let seconds = seconds.map(Secs);
        progress.observe(&Event::Preflight {
            findings: Vec::new(),
            seconds,
            durations,
            peak_mb: None,
            stages: Vec::new(),
        });
    }

    fn run(progress: &mut Progress, stage: Stage, steps: &[f64], loading: f64) {
        progress.observe(&Event::StageStarted { stage });
        let of = steps.len() as u32;
        for (step, seconds) in (1..).zip(steps) {
            progress.observe(&Event::Step { stage, step, of, seconds: Secs(*seconds) });
        }
        let seconds = Secs(loading + steps.iter().sum::<f64>());
        progress.observe(&Event::StageFinished { stage, seconds });
    }

    #[test]
    fn a_slow_start_of_a_job_like_no_earlier_one_does_not_fill_the_bar() {
        let mut progress = started(vec![(Stage::Prepare, 1), (Stage::Image, 1), (Stage::DenoiseHigh, 20)]);
        let expected = [(Stage::Image, 0.01, 0.02), (Stage::DenoiseHigh, 0.01, 0.2)];
        expect(&mut progress, &expected, None);
        run(&mut progress, Stage::Prepare, &[], 5.0);
        run(&mut progress, Stage::Image, &[], 1.0);
        assert!(progress.fraction() < 0.2, "{}", progress.fraction());
        run(&mut progress, Stage::DenoiseHigh, &[0.5; 20], 0.1);
        assert!(progress.fraction() > 0.99, "{}", progress.fraction());
    }

    fn left(progress: &Progress) -> f64 {
        progress.remaining().unwrap().0
    }

    #[test]
    fn grows_step_by_step_and_ends_at_one() {
        let plan =
            vec![(Stage::Text, 1), (Stage::DenoiseHigh, 3), (Stage::DenoiseLow, 7), (Stage::Decode, 5)];
        let mut progress = started(plan.clone());
        assert!(progress.remaining().is_none());
        let mut last = progress.fraction();
        for (stage, units) in plan {
            progress.observe(&Event::StageStarted { stage });
            for step in 1..=units {
                progress.observe(&Event::Step { stage, step, of: units, seconds: Secs(2.0) });
                let now = progress.fraction();
                assert!(now > last && now - last < 0.2, "{stage} {step}: {last} to {now}");
                assert!(stage == Stage::Text || progress.remaining().unwrap().0 >= 0.0);
                last = now;
            }
            progress.observe(&Event::StageFinished { stage, seconds: Secs(2.0 * f64::from(units)) });
        }
        assert!((progress.fraction() - 1.0).abs() < 1e-9);
        let shares: f64 = progress.finished_shares().map(|(_, share)| share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn time_left_follows_the_measured_rate() {
        let mut progress = started(vec![(Stage::DenoiseHigh, 10)]);
        progress.observe(&Event::StageStarted { stage: Stage::DenoiseHigh });
        for step in 1..=4 {
            progress.observe(&Event::Step { stage: Stage::DenoiseHigh, step, of: 10, seconds: Secs(3.0) });
        }
        assert!((progress.remaining().unwrap().0 - 18.0).abs() < 1e-9);
    }

    #[test]
    fn history_gives_the_time_before_the_first_step_and_the_weights_of_the_stages() {
        let mut progress = started(vec![(Stage::Text, 1), (Stage::DenoiseHigh, 4), (Stage::Decode, 3)]);
        let known = [(Stage::Text, 10.0, 5.0), (Stage::DenoiseHigh, 15.0, 40.0), (Stage::Decode, 0.0, 30.0)];
        expect(&mut progress, &known, Some(100.0));
        assert!((left(&progress) - 100.0).abs() < 1e-9);
        progress.observe(&Event::StageStarted { stage: Stage::Text });
        assert_eq!(progress.fraction(), 0.0, "nothing is done yet");
        progress.observe(&Event::StageFinished { stage: Stage::Text, seconds: Secs(15.0) });
        assert!((progress.fraction() - 0.15).abs() < 1e-9);
        run(&mut progress, Stage::DenoiseHigh, &[10.0; 4], 15.0);
        assert!((progress.fraction() - 0.7).abs() < 1e-9, "{}", progress.fraction());
        assert!((left(&progress) - 30.0).abs() < 1e-9);
        run(&mut progress, Stage::Decode, &[30.0 * 0.3 / 2.3, 30.0 / 2.3, 30.0 / 2.3], 0.0);
        assert!((progress.fraction() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_the_job_measures_corrects_what_was_expected() {
        let mut progress = started(vec![(Stage::DenoiseHigh, 4), (Stage::DenoiseLow, 4), (Stage::Decode, 1)]);
        let work = [(Stage::DenoiseHigh, 0.0, 4.0), (Stage::DenoiseLow, 0.0, 2.0), (Stage::Decode, 0.0, 5.0)];
        expect(&mut progress, &work, None);
        assert_eq!(progress.remaining(), None, "without an earlier run only the proportions are known");
        progress.observe(&Event::StageStarted { stage: Stage::DenoiseHigh });
        for step in 1..=2 {
            progress.observe(&Event::Step { stage: Stage::DenoiseHigh, step, of: 4, seconds: Secs(10.0) });
        }
        // ten times as long as expected: 2 steps of 10, 4 of 5, and 50 for the frames
        assert!((left(&progress) - 90.0).abs() < 1e-9, "{}", left(&progress));
    }

    #[test]
    fn a_resumed_job_begins_where_it_was() {
        let mut progress = started(vec![(Stage::Text, 1), (Stage::DenoiseHigh, 4), (Stage::Decode, 1)]);
        let known = [(Stage::Text, 0.0, 10.0), (Stage::DenoiseHigh, 0.0, 80.0), (Stage::Decode, 0.0, 10.0)];
        expect(&mut progress, &known, Some(100.0));
        progress.observe(&Event::Resumed { done: vec![(Stage::DenoiseHigh, 2)] });
        assert!((progress.fraction() - 0.4).abs() < 1e-9, "{}", progress.fraction());
        assert!((left(&progress) - 60.0).abs() < 1e-9);
        // all steps were done: text is skipped
        expect(&mut progress, &known, Some(100.0));
        progress.observe(&Event::Resumed { done: vec![(Stage::DenoiseHigh, 4)] });
        progress.observe(&Event::StageStarted { stage: Stage::Decode });
        assert!((left(&progress) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_bar_never_moves_back_however_wrong_the_expectation_was() {
        for (text, step, chunk) in [(0.0, 100.0, 0.1), (50.0, 0.01, 90.0), (1.0, 1.0, 1.0)] {
            let mut progress = started(vec![(Stage::Text, 1), (Stage::DenoiseHigh, 5), (Stage::Decode, 5)]);
            let known = [(Stage::Text, 1.0, 1.0), (Stage::DenoiseHigh, 1.0, 5.0), (Stage::Decode, 1.0, 5.0)];
            expect(&mut progress, &known, Some(14.0));
            let mut last = 0.0;
            for (stage, seconds) in [(Stage::DenoiseHigh, step), (Stage::Decode, chunk)] {
                run(&mut progress, Stage::Text, &[], text);
                progress.observe(&Event::StageStarted { stage });
                for step in 1..=5 {
                    progress.observe(&Event::Step { stage, step, of: 5, seconds: Secs(seconds) });
                    assert!(progress.fraction() >= last, "{stage} {step}");
                    last = progress.fraction();
                }
                progress.observe(&Event::StageFinished { stage, seconds: Secs(5.0 * seconds) });
                assert!(progress.fraction() >= last && progress.fraction() <= 1.0);
            }
        }
    }
}
