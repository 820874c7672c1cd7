//! DPM-Solver++ 2M for flow models: a second-order multistep method (`DPMSolverMultistepScheduler`, midpoint).

use super::Sigmas;

/// Tensors kept between steps: the denoised prediction of the step before.
pub(super) const HISTORY: usize = 1;

/// Advances `sample` from step `at` to the next. The first and the last step are of first order.
pub(super) fn step(
    sigmas: &Sigmas,
    at: usize,
    velocity: &[f32],
    sample: &mut [f32],
    history: &mut [Vec<f32>],
) {
    let [clean_before] = history else { return };
    let (sigma, next) = (sigmas.levels()[at], sigmas.levels()[at + 1]);
    let h = sigmas.log_snr(at + 1) - sigmas.log_snr(at);
    let keep = next / sigma;
    let towards = (1.0 - next) * ((-h).exp() - 1.0);
    let rows = sample.iter_mut().zip(velocity).zip(clean_before);
    if at == 0 || at + 1 == sigmas.len() {
        for ((x, v), before) in rows {
            let clean = *x - sigma * v;
            *x = keep * *x - towards * clean;
            *before = clean;
        }
    } else {
        let r = (sigmas.log_snr(at) - sigmas.log_snr(at - 1)) / h;
        let slope = 1.0 / r;
        for ((x, v), before) in rows {
            let clean = *x - sigma * v;
            *x = keep * *x - towards * clean - 0.5 * towards * (slope * (clean - *before));
            *before = clean;
        }
    }
}
