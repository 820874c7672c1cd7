//! The noise levels of a run, from nearly 1 (pure noise) to 0, spaced as diffusers' schedulers do.

use serde::{Deserialize, Serialize};

use crate::core::{FlowShift, Sampler, StepCount};

/// Timesteps of the training schedule (`num_train_timesteps`); a timestep is a sigma times this.
const TRAIN_TIMESTEPS: f64 = 1000.0;
/// Smallest sigma of the training schedule.
const LEAST: f64 = 1.0 / TRAIN_TIMESTEPS;
/// diffusers lowers a first sigma of exactly 1 by this much, because its log signal-to-noise ratio would be infinite.
const GUARD: f64 = 1e-6;

/// Noise levels of a run, and the timesteps that the model gets as input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sigmas {
    levels: Vec<f32>,
    timesteps: Vec<f32>,
}

impl Sigmas {
    /// The schedule of `sampler` for this number of steps.
    ///
    /// The schedules differ like diffusers' classes: `UniPCMultistepScheduler` ends one interval above the smallest sigma,
    /// `DPMSolverMultistepScheduler` starts just below 1, and `FlowMatchEulerDiscreteScheduler` reaches the smallest sigma,
    /// which it shifts twice: once in its constructor and once when timesteps are set.
    pub fn new(sampler: Sampler, steps: StepCount, shift: FlowShift) -> Self {
        let steps = steps.0 as usize;
        let shift = as_typed(shift.0);
        let mut base = match sampler {
            Sampler::UniPc => linspace(1.0, LEAST, steps + 1),
            Sampler::Euler => {
                let ends = [1.0, LEAST].map(|sigma| f64::from(shifted_f32(sigma as f32, shift as f32)));
                let [most, least] = ends.map(|sigma| sigma * TRAIN_TIMESTEPS);
                linspace(most, least, steps).into_iter().map(|t| t / TRAIN_TIMESTEPS).collect()
            }
            Sampler::DpmPp2M => {
                let rising = linspace(1.0, LEAST, steps + 1).into_iter().map(|signal| 1.0 - signal);
                rising.rev().collect()
            }
        };
        base.truncate(steps);
        let shifted: Vec<f64> = base.iter().map(|&sigma| shifted(sigma, shift)).collect();
        Self::custom(sampler, &shifted)
    }

    /// A schedule of given noise levels, already shifted and without the final 0: step lists of distilled models.
    pub fn custom(sampler: Sampler, sigmas: &[f64]) -> Self {
        let guard = |sigma: f64| match sampler {
            Sampler::UniPc | Sampler::DpmPp2M if (sigma - 1.0).abs() < GUARD => sigma - GUARD,
            Sampler::UniPc | Sampler::DpmPp2M | Sampler::Euler => sigma,
        };
        let timestep = |&sigma: &f64| match sampler {
            Sampler::UniPc | Sampler::DpmPp2M => (sigma * TRAIN_TIMESTEPS).trunc() as f32,
            Sampler::Euler => sigma as f32 * TRAIN_TIMESTEPS as f32,
        };
        let sigmas: Vec<f64> = sigmas.iter().map(|&sigma| guard(sigma)).collect();
        Self {
            timesteps: sigmas.iter().map(timestep).collect(),
            levels: sigmas.iter().map(|&sigma| sigma as f32).chain([0.0]).collect(),
        }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.timesteps.len()
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.timesteps.is_empty()
    }

    /// Timestep of each step, the model's input; whole numbers except for Euler.
    pub fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    /// Noise level of each step, and 0 at the end.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// Logarithm of the signal-to-noise ratio at a step; infinite at the end.
    pub(super) fn log_snr(&self, step: usize) -> f32 {
        let sigma = self.levels[step];
        (1.0 - sigma).ln() - sigma.ln()
    }
}

/// Shifts a noise level towards 1: a larger shift spends more steps on coarse structure.
fn shifted(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// [`shifted`] in f32, as diffusers shifts the training schedule whose ends Euler's schedule uses.
fn shifted_f32(sigma: f32, shift: f32) -> f32 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// `count` points from `from` to `to`, both included, as `numpy.linspace` rounds them.
fn linspace(from: f64, to: f64, count: usize) -> Vec<f64> {
    let Some(intervals) = count.checked_sub(1) else { return Vec::new() };
    let step = (to - from) / intervals as f64;
    (0..count)
        .map(|index| match index {
            0 => from,
            last if last == intervals => to,
            index => index as f64 * step + from,
        })
        .collect()
}

/// The f64 with the decimal value that was typed: 2.7 instead of 2.700000047683716.
fn as_typed(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(sampler: Sampler, steps: u32, shift: f32) -> Sigmas {
        Sigmas::new(sampler, StepCount(steps), FlowShift(shift))
    }

    /// Steps with at least this timestep: those of the high-noise expert.
    fn high(grid: &Sigmas, boundary: f32) -> usize {
        grid.timesteps().iter().filter(|&&t| t >= boundary).count()
    }

    #[test]
    fn unipc_grids_are_those_of_diffusers() {
        let table = [
            (40, 12.0, [999., 997., 995., 993., 990.], [496., 391., 242.]),
            (40, 5.0, [999., 994., 989., 984., 978.], [291., 211., 117.]),
            (50, 5.0, [999., 995., 991., 987., 982.], [244., 175., 96.]),
        ];
        for (steps, shift, first, last) in table {
            let grid = grid(Sampler::UniPc, steps, shift);
            let t = grid.timesteps();
            assert_eq!((&t[..5], &t[t.len() - 3..]), (&first[..], &last[..]), "{steps} steps, shift {shift}");
            assert_eq!(grid.levels().len(), grid.len() + 1);
            assert_eq!((grid.levels()[0], grid.levels()[grid.len()]), (0.999_999, 0.0));
        }
    }

    #[test]
    fn experts_share_the_steps_as_in_diffusers() {
        for (steps, shift, boundary, expected) in [
            (40, 12.0, 875.0, 26),
            (20, 12.0, 875.0, 13),
            (40, 5.0, 900.0, 15),
            (20, 5.0, 900.0, 8),
            (40, 3.0, 875.0, 13),
            (40, 3.0, 900.0, 11),
        ] {
            assert_eq!(high(&grid(Sampler::UniPc, steps, shift), boundary), expected, "{steps}, {shift}");
        }
    }

    #[test]
    fn other_samplers_have_their_own_grids() {
        let dpm = grid(Sampler::DpmPp2M, 40, 5.0);
        let euler = grid(Sampler::Euler, 40, 5.0);
        assert_eq!(dpm.timesteps()[..5], [999., 994., 989., 983., 978.]);
        assert_eq!(dpm.timesteps()[37..], [288., 208., 113.]);
        assert_eq!(euler.timesteps()[..3], [1000.0, 994.791, 989.360_35]);
        assert_eq!(euler.timesteps()[37..], [228.780_67, 135.891_85, 24.414_066]);
    }

    #[test]
    fn distilled_lists_are_taken_as_they_are() {
        let sigmas = [1.0, 0.9375, 5.0 / 6.0, 0.625];
        let euler = Sigmas::custom(Sampler::Euler, &sigmas);
        assert_eq!(euler.timesteps(), [1000.0, 937.5, 833.333_3, 625.0]);
        assert_eq!(Sigmas::custom(Sampler::UniPc, &sigmas).timesteps(), [999.0, 937.0, 833.0, 625.0]);
    }

    #[test]
    fn few_steps_are_grids_too() {
        for sampler in Sampler::ALL {
            for steps in 0..4 {
                let grid = grid(sampler, steps, 3.0);
                assert_eq!((grid.len(), grid.is_empty()), (steps as usize, steps == 0));
                assert!(grid.levels().is_sorted_by(|a, b| a > b), "{sampler:?} {:?}", grid.levels());
            }
        }
    }
}
