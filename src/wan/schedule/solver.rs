//! A run's solver: its noise levels, progress and history of a multistep method.

use serde::{Deserialize, Serialize};

use super::{Sigmas, dpmpp2m, euler, unipc};
use crate::core::{FlowShift, Sampler, StepCount};

/// Denoises a sample, one model prediction at a time.
///
/// Plain data: a clone, or one read back from disk, continues from the same step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Solver {
    sampler: Sampler,
    sigmas: Sigmas,
    /// Number of finished steps.
    done: usize,
    /// Tensors kept from the latest steps; empty before the first step.
    history: Vec<Vec<f32>>,
}

impl Solver {
    /// A run of this many steps on the sampler's own schedule.
    pub fn new(sampler: Sampler, steps: StepCount, shift: FlowShift) -> Self {
        Self { sampler, sigmas: Sigmas::new(sampler, steps, shift), done: 0, history: Vec::new() }
    }

    /// A run on given noise levels: shifted already, falling, without the final 0.
    pub fn with_sigmas(sampler: Sampler, sigmas: &[f64]) -> Self {
        Self { sampler, sigmas: Sigmas::custom(sampler, sigmas), done: 0, history: Vec::new() }
    }

    /// Timestep of each step, the model's input.
    pub fn timesteps(&self) -> &[f32] {
        self.sigmas.timesteps()
    }

    /// The noise levels of the run.
    pub fn sigmas(&self) -> &Sigmas {
        &self.sigmas
    }

    /// Number of finished steps.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Tensors kept from the latest steps; empty before the first step.
    pub fn history(&self) -> &[Vec<f32>] {
        &self.history
    }

    /// This run after `done` steps with the [`Self::history`] from then; `None` if the two do not match.
    #[must_use]
    pub fn resumed(self, done: usize, history: Vec<Vec<f32>>) -> Option<Self> {
        let kept = if done == 0 { 0 } else { num_history(self.sampler) };
        (done <= self.sigmas.len() && history.len() == kept).then_some(Self { done, history, ..self })
    }

    /// Advances `sample` by one step, given the model's velocity for it at the current timestep.
    ///
    /// Works in place; only the first step allocates, for the history. Does nothing after the last step.
    pub fn step(&mut self, velocity: &[f32], sample: &mut [f32]) {
        debug_assert_eq!(velocity.len(), sample.len(), "a velocity for every value");
        let at = self.done;
        if at >= self.sigmas.len() {
            return;
        }
        if at == 0 {
            self.history = vec![vec![0.0; sample.len()]; num_history(self.sampler)];
        }
        debug_assert!(
            self.history.iter().all(|kept| kept.len() == sample.len()),
            "the sample keeps its shape"
        );
        match self.sampler {
            Sampler::UniPc => unipc::step(&self.sigmas, at, velocity, sample, &mut self.history),
            Sampler::Euler => euler::step(&self.sigmas, at, velocity, sample),
            Sampler::DpmPp2M => dpmpp2m::step(&self.sigmas, at, velocity, sample, &mut self.history),
        }
        self.done += 1;
    }
}

/// The index of the last prediction of the clean latent among the tensors that a sampler keeps, if it keeps it.
pub fn clean_latent_in_history(sampler: Sampler) -> Option<usize> {
    match sampler {
        Sampler::UniPc => Some(1),
        Sampler::Euler => None,
        Sampler::DpmPp2M => Some(0),
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
    fn a_saved_run_continues_identically() {
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
