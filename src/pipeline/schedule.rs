//! The steps of a request, and which expert runs them.

use crate::core::GenRequest;
use crate::wan::Checkpoint;
use crate::wan::schedule::Solver;

/// Training timesteps; a boundary ratio is a fraction of them.
const TRAIN_STEPS: f32 = 1000.0;

/// Steps of the high-noise and of the low-noise expert.
pub fn denoise_steps(checkpoint: &Checkpoint, request: &GenRequest) -> [usize; 2] {
    split(checkpoint, request, solver(request).timesteps())
}

/// The request's sampler before its first step.
pub(super) fn solver(request: &GenRequest) -> Solver {
    match &request.step_list {
        Some(list) => Solver::with_sigmas(request.sampler, &list.sigmas()),
        None => Solver::new(request.sampler, request.steps, request.shift),
    }
}

/// How many of the timesteps the high-noise and the low-noise expert run. A single transformer runs all.
pub(super) fn split(checkpoint: &Checkpoint, request: &GenRequest, timesteps: &[f32]) -> [usize; 2] {
    let own = checkpoint.boundary_ratio;
    let boundary = own.map_or(0.0, |own| request.boundary.unwrap_or(own) * TRAIN_STEPS);
    let high = timesteps.iter().filter(|&&timestep| timestep >= boundary).count();
    [high, timesteps.len() - high]
}
