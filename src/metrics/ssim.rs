//! Structural similarity: SSIM (Wang and others, 2004) and MS-SSIM (Wang and others, 2003) of the brightness.
//!
//! The window is the papers' Gaussian of 11 pixels with a standard deviation of 1.5, and only places where it lies inside
//! the frame count. That is scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
//! use_sample_covariance=False)`. ffmpeg's `ssim` filter takes the mean of 8x8 blocks instead and differs by a little.

use super::luma::Luma;

/// Pixels of the window.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// `(K1 L)^2` and `(K2 L)^2` of the paper, for values up to 255.
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
/// Weights of the scales of MS-SSIM, full size first.
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// Means over a frame.
#[derive(Clone, Copy)]
struct Similarity {
    /// Of luminance, contrast and structure.
    whole: f64,
    /// Of contrast and structure alone.
    structure: f64,
}

/// SSIM and MS-SSIM of two frames.
pub(super) struct Similarities {
    pub(super) ssim: f64,
    pub(super) ms_ssim: f64,
}

/// Compares two frames of one size; `None` if a side is smaller than the window.
///
/// The five scales of MS-SSIM need sides of 176 pixels. Smaller frames have as many scales as fit, and the weights of these
/// are raised to the sum of all five.
pub(super) fn similarities(one: Luma, other: Luma) -> Option<Similarities> {
    let (mut one, mut other) = (one, other);
    let mut scales = Vec::new();
    for weight in SCALES {
        let Some(similarity) = similarity(&one, &other) else { break };
        scales.push((weight, similarity));
        (one, other) = (one.halved(), other.halved());
    }
    let ((weight, coarsest), finer) = scales.split_last()?;
    let missing = SCALES.iter().sum::<f64>() / scales.iter().map(|(weight, _)| weight).sum::<f64>();
    // a negative structure has no real power; it counts as none
    let power = |value: f64, weight: &f64| value.max(0.0).powf(weight * missing);
    let structures: f64 = finer.iter().map(|(weight, mean)| power(mean.structure, weight)).product();
    Some(Similarities { ssim: scales[0].1.whole, ms_ssim: power(coarsest.whole, weight) * structures })
}

fn similarity(one: &Luma, other: &Luma) -> Option<Similarity> {
    let (width, height) = (one.width, one.height);
    if width.min(height) < WINDOW {
        return None;
    }
    let weights = gaussian();
    let mean = |values: &dyn Fn(usize) -> f64| filtered(width, height, &weights, values);
    let (a, b) = (&one.values, &other.values);
    let (mean_a, mean_b) = (mean(&|at| a[at]), mean(&|at| b[at]));
    let (square_a, square_b) = (mean(&|at| a[at] * a[at]), mean(&|at| b[at] * b[at]));
    let product = mean(&|at| a[at] * b[at]);
    let (mut whole, mut structure) = (0.0, 0.0);
    for at in 0..product.len() {
        let (mean_a, mean_b) = (mean_a[at], mean_b[at]);
        let variances = square_a[at] - mean_a * mean_a + square_b[at] - mean_b * mean_b;
        let contrast = (2.0 * (product[at] - mean_a * mean_b) + C2) / (variances + C2);
        structure += contrast;
        whole += contrast * (2.0 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1);
    }
    let count = product.len() as f64;
    Some(Similarity { whole: whole / count, structure: structure / count })
}

fn gaussian() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] =
        std::array::from_fn(|at| (-(at as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Weighted means of the values at each place where the window lies inside.
fn filtered(width: usize, height: usize, weights: &[f64; WINDOW], value: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let inner = width - WINDOW + 1;
    let mut row = vec![0.0; width];
    let mut rows = vec![0.0; inner * height];
    for (y, filtered) in rows.chunks_exact_mut(inner).enumerate() {
        row.iter_mut().enumerate().for_each(|(x, cell)| *cell = value(y * width + x));
        for (x, mean) in filtered.iter_mut().enumerate() {
            *mean = row[x..].iter().zip(weights).map(|(value, weight)| value * weight).sum();
        }
    }
    let mut means = vec![0.0; inner * (height - WINDOW + 1)];
    for (y, out) in means.chunks_exact_mut(inner).enumerate() {
        for (row, weight) in rows[y * inner..].chunks_exact(inner).zip(weights) {
            out.iter_mut().zip(row).for_each(|(mean, value)| *mean += value * weight);
        }
    }
    means
}
