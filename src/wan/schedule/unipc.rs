//! Wan's default solver: `UniPC` for flow models, order 2, B2(h), predicting x0 (`UniPCMultistepScheduler`).
//!
//! A step first corrects the given sample with the newest model prediction, then predicts the next sample. Both are linear
//! in the previous sample, the x0 predictions of the last three calls and the velocity, so one pass over the tensors is
//! enough.

use super::Sigmas;

/// Tensors kept between steps: the sample before the last prediction, and the x0 predictions of the last two calls.
pub(super) const HISTORY: usize = 3;

/// Advances `sample` from step `at` to the next.
pub(super) fn step(
    sigmas: &Sigmas,
    at: usize,
    velocity: &[f32],
    sample: &mut [f32],
    history: &mut [Vec<f32>],
) {
    let [last, clean_1, clean_2] = history else { return };
    let sigma = sigmas.levels()[at];
    let predict = Predictor::new(sigmas, at);
    let rows = sample.iter_mut().zip(velocity).zip(last).zip(clean_1.iter()).zip(clean_2.iter_mut());
    if at == 0 {
        for ((((x, v), last), _), clean_2) in rows {
            let clean = *x - sigma * v;
            *last = *x;
            *x = predict.next(*x, clean, 0.0);
            *clean_2 = clean;
        }
    } else {
        let correct = Corrector::new(sigmas, at);
        for ((((x, v), last), clean_1), clean_2) in rows {
            let clean = *x - sigma * v;
            *last = correct.this(*last, clean, *clean_1, *clean_2);
            *x = predict.next(*last, clean, *clean_1);
            *clean_2 = clean;
        }
    }
    // the newest x0 overwrote the oldest
    std::mem::swap(clean_1, clean_2);
}

/// Order of the prediction at a step: 1 for the first and last step, else 2.
fn order(sigmas: &Sigmas, at: usize) -> usize {
    2.min(sigmas.len() - at).min(at + 1)
}

/// The interval between two noise levels, used by prediction and correction.
struct Interval {
    /// Factor of the sample.
    keep: f32,
    /// Factor of the x0 prediction, negative.
    towards: f32,
    /// Change of the log signal-to-noise ratio.
    h: f32,
}

impl Interval {
    fn new(sigmas: &Sigmas, from: usize) -> Self {
        let (sigma, next) = (sigmas.levels()[from], sigmas.levels()[from + 1]);
        let h = sigmas.log_snr(from + 1) - sigmas.log_snr(from);
        Self { keep: next / sigma, towards: (1.0 - next) * (-h).exp_m1(), h }
    }

    /// Position of the call before `from`, in units of this interval (negative).
    fn reach(&self, sigmas: &Sigmas, from: usize) -> f32 {
        (sigmas.log_snr(from - 1) - sigmas.log_snr(from)) / self.h
    }
}

struct Predictor {
    interval: Interval,
    /// Position of the older x0 prediction, at order 2.
    reach: Option<f32>,
}

impl Predictor {
    fn new(sigmas: &Sigmas, at: usize) -> Self {
        let interval = Interval::new(sigmas, at);
        let reach = (order(sigmas, at) == 2).then(|| interval.reach(sigmas, at));
        Self { interval, reach }
    }

    fn next(&self, x: f32, clean: f32, clean_1: f32) -> f32 {
        let Interval { keep, towards, .. } = self.interval;
        let first = keep * x - towards * clean;
        match self.reach {
            Some(reach) => first - towards * (0.5 * ((clean_1 - clean) / reach)),
            None => first,
        }
    }
}

struct Corrector {
    interval: Interval,
    /// Weight of the newest difference.
    newest: f32,
    /// Weight and position of the older difference, at order 2.
    older: Option<(f32, f32)>,
}

impl Corrector {
    fn new(sigmas: &Sigmas, at: usize) -> Self {
        let interval = Interval::new(sigmas, at - 1);
        if order(sigmas, at - 1) == 1 {
            return Self { interval, newest: 0.5, older: None };
        }
        let reach = interval.reach(sigmas, at - 1);
        let b = moments(interval.h);
        let [older, newest] = solve(reach, b);
        Self { interval, newest, older: Some((older, reach)) }
    }

    /// The corrected sample at this step.
    fn this(&self, last: f32, clean: f32, clean_1: f32, clean_2: f32) -> f32 {
        let Interval { keep, towards, .. } = self.interval;
        let older = self.older.map_or(0.0, |(weight, reach)| weight * ((clean_2 - clean_1) / reach));
        keep * last - towards * clean_1 - towards * (older + self.newest * (clean - clean_1))
    }
}

/// The first two right-hand sides of the order conditions: n! φₙ₊₁(-h) / B(h), with B(h) = e⁻ʰ - 1.
fn moments(h: f32) -> [f32; 2] {
    let scale = (-h).exp_m1();
    let first = scale / -h - 1.0;
    let second = first / -h - 0.5;
    [first / scale, second * 2.0 / scale]
}

/// Weights `[p, q]` with p + q = b₀ and reach·p + q = b₁: Gauss with the larger pivot first, as LAPACK does.
fn solve(reach: f32, [b0, b1]: [f32; 2]) -> [f32; 2] {
    if reach.abs() <= 1.0 {
        let q = (b1 - reach * b0) / (1.0 - reach);
        [b0 - q, q]
    } else {
        let factor = 1.0 / reach;
        let q = (b0 - factor * b1) / (1.0 - factor);
        [(b1 - q) / reach, q]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fulfil_their_equations() {
        for reach in [-0.3_f32, -1.0, -4.0] {
            let [p, q] = solve(reach, [0.7, -0.2]);
            assert!((p + q - 0.7).abs() < 1e-6 && (reach * p + q + 0.2).abs() < 1e-6, "{reach}: {p}, {q}");
        }
    }
}
