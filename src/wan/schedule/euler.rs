//! Euler's method for flow models (`FlowMatchEulerDiscreteScheduler`).

use super::Sigmas;

/// Advances `sample` from step `at` to the next.
pub(super) fn step(sigmas: &Sigmas, at: usize, velocity: &[f32], sample: &mut [f32]) {
    let distance = sigmas.levels()[at + 1] - sigmas.levels()[at];
    for (x, v) in sample.iter_mut().zip(velocity) {
        *x += distance * v;
    }
}
