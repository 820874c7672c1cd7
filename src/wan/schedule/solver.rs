//! A run of steps: which noise levels, how far it is, and what a multistep method remembers.

use serde::{Deserialize, Serialize};

use super::{Sigmas, dpmpp2m, euler, unipc};
use crate::core::{FlowShift, Sampler, StepCount};

/// Turns noise into a video, one prediction of the model at a time.
///
/// Plain data: a clone, or one read back from disk, goes on where this one stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Solver {
    sampler: Sampler,
    sigmas: Sigmas,
    /// Steps done.
    done: usize,
    /// Tensors of the latest steps; empty before the first.
    history: Vec<Vec<f32>>,
}

impl Solver {
    /// A run of so many steps on the sampler's own grid.
    pub fn new(sampler: Sampler, steps: StepCount, shift: FlowShift) -> Self {
        Self { sampler, sigmas: Sigmas::new(sampler, steps, shift), done: 0, history: Vec::new() }
    }

    /// A run on noise levels of one's own: shifted already, falling, without the final 0.
    pub fn with_sigmas(sampler: Sampler, sigmas: &[f64]) -> Self {
        Self { sampler, sigmas: Sigmas::custom(sampler, sigmas), done: 0, history: Vec::new() }
    }

    /// The timestep that the model is told at each step.
    pub fn timesteps(&self) -> &[f32] {
        self.sigmas.timesteps()
    }

    /// The noise levels of the run.
    pub fn sigmas(&self) -> &Sigmas {
        &self.sigmas
    }

    /// Steps done so far.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Tensors of the latest steps; empty before the first.
    pub fn history(&self) -> &[Vec<f32>] {
        &self.history
    }

    /// This run after `done` steps, given what [`Self::history`] was then; none if they do not fit.
    #[must_use]
    pub fn resumed(self, done: usize, history: Vec<Vec<f32>>) -> Option<Self> {
        let kept = if done == 0 { 0 } else { num_history(self.sampler) };
        (done <= self.sigmas.len() && history.len() == kept).then_some(Self { done, history, ..self })
    }

    /// Moves `sample` one step on, given the velocity that the model predicts for it at the current timestep.
    ///
    /// In place, in one pass; nothing is allocated but the history at the first step. Does nothing once all
    /// steps are done.
    pub fn step(&mut self, velocity: &[f32], sample: &mut [f32]) {
        debug_assert_eq!(velocity.len(), sample.len(), "a velocity for every value");
        let at = self.done;
        if at >= self.sigmas.len() {
            return;
        }
        if at == 0 {
            self.history = vec![vec![0.0; sample.len()]; num_history(self.sampler)];
        }
        debug_assert!(self.history.iter().all(|kept| kept.len() == sample.len()), "a run has one shape");
        match self.sampler {
            Sampler::UniPc => unipc::step(&self.sigmas, at, velocity, sample, &mut self.history),
            Sampler::Euler => euler::step(&self.sigmas, at, velocity, sample),
            Sampler::DpmPp2M => dpmpp2m::step(&self.sigmas, at, velocity, sample, &mut self.history),
        }
        self.done += 1;
    }
}

fn num_history(sampler: Sampler) -> usize {
    match sampler {
        Sampler::UniPc => unipc::HISTORY,
        Sampler::Euler => 0,
        Sampler::DpmPp2M => dpmpp2m::HISTORY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight flow to `target`: its velocity is (x - target) / sigma everywhere.
    fn run(mut solver: Solver, from: &[f32], target: f32) -> Vec<f32> {
        let mut x = from.to_vec();
        while solver.done() < solver.sigmas().len() {
            let sigma = solver.sigmas().levels()[solver.done()];
            let velocity: Vec<f32> = x.iter().map(|x| (x - target) / sigma).collect();
            solver.step(&velocity, &mut x);
        }
        x
    }

    #[test]
    fn straight_flows_are_followed_exactly_in_any_number_of_steps() {
        for sampler in Sampler::ALL {
            for steps in [1, 2, 3, 7, 40] {
                let solver = Solver::new(sampler, StepCount(steps), FlowShift(5.0));
                for x in run(solver, &[-2.0, 0.1, 3.0], 0.25) {
                    assert!((x - 0.25).abs() < 2e-5, "{sampler:?} in {steps} steps ends at {x}");
                }
            }
        }
    }

    #[test]
    fn a_run_that_was_saved_goes_on_the_same() {
        for sampler in Sampler::ALL {
            let mut whole = Solver::new(sampler, StepCount(6), FlowShift(3.0));
            let mut x = vec![0.5_f32, -1.0, 2.0];
            let velocity = |x: &[f32]| -> Vec<f32> { x.iter().map(|x| x.sin() + 0.3).collect() };
            for _ in 0..3 {
                whole.step(&velocity(&x), &mut x);
            }
            let text = serde_json::to_string(&whole).unwrap();
            let mut saved: Solver = serde_json::from_str(&text).unwrap();
            assert_eq!(saved, whole);
            let mut y = x.clone();
            for _ in 0..3 {
                whole.step(&velocity(&x), &mut x);
                saved.step(&velocity(&y), &mut y);
            }
            assert_eq!(x, y, "{sampler:?}");
            let before = x.clone();
            whole.step(&before, &mut x);
            assert_eq!(x, before, "{sampler:?} is over");
        }
    }
}
