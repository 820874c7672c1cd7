//! Properties of one video over its frames: motion, flicker, colour drift, sharpness.

use serde::Serialize;

use super::luma::Luma;
use super::metric::ClipMetric;
use crate::core::Frame;

/// Properties of a video, one value for each frame that has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClipCurves {
    /// Mean absolute change of the brightness from the frame before, in levels of 255, from the second frame on.
    pub motion: Vec<f64>,
    /// Mean absolute second difference of the brightness, in levels of 255, of each frame between two others.
    pub flicker: Vec<f64>,
    /// Distance of the mean colour to that of the first frame, in CIE Lab (Delta E 1976).
    pub colour_drift: Vec<f64>,
    /// Variance of the Laplacian of the brightness.
    pub sharpness: Vec<f64>,
}

impl ClipCurves {
    /// The curve of a metric.
    pub fn of(&self, metric: ClipMetric) -> &[f64] {
        match metric {
            ClipMetric::Motion => &self.motion,
            ClipMetric::Flicker => &self.flicker,
            ClipMetric::ColourDrift => &self.colour_drift,
            ClipMetric::Sharpness => &self.sharpness,
        }
    }

    /// The value of a metric for the whole video: the mean of its curve, for the colour drift its largest value.
    ///
    /// `None` for a video that is too short.
    pub fn summary(&self, metric: ClipMetric) -> Option<f64> {
        let values = self.of(metric);
        match metric {
            ClipMetric::ColourDrift => values.iter().copied().reduce(f64::max),
            _ => super::mean_of(values),
        }
    }
}

/// Measures a video frame by frame.
#[derive(Debug, Default)]
pub struct ClipMeter {
    curves: ClipCurves,
    first_colour: Option<[f64; 3]>,
    /// The last two frames, newest last.
    before: Vec<Luma>,
}

impl ClipMeter {
    /// Takes the next frame, which has the size of the others.
    pub fn push(&mut self, frame: &Frame) {
        let luma = Luma::of(frame);
        let colour = mean_lab(frame);
        let first = *self.first_colour.get_or_insert(colour);
        let squares = colour.iter().zip(first).map(|(now, first)| (now - first).powi(2));
        self.curves.colour_drift.push(squares.sum::<f64>().sqrt());
        self.curves.sharpness.push(luma.laplacian_variance());
        if let Some(last) = self.before.last() {
            let changes = luma.values.iter().zip(&last.values).map(|(now, last)| (now - last).abs());
            self.curves.motion.push(changes.sum::<f64>() / luma.values.len().max(1) as f64);
        }
        if let [first, middle] = &self.before[..] {
            let bends = luma.values.iter().zip(&middle.values).zip(&first.values);
            let sum: f64 = bends.map(|((now, middle), first)| (now - 2.0 * middle + first).abs()).sum();
            self.curves.flicker.push(sum / luma.values.len().max(1) as f64);
            self.before.remove(0);
        }
        self.before.push(luma);
    }

    /// The curves of all frames so far.
    pub fn finish(self) -> ClipCurves {
        self.curves
    }
}

/// The mean colour of a frame in CIE Lab (D65, 2 degrees).
fn mean_lab(frame: &Frame) -> [f64; 3] {
    let mut sums = [0_u64; 3];
    for pixel in frame.rgb.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &byte)| *sum += u64::from(byte));
    }
    let count = (frame.rgb.len() / 3).max(1) as f64;
    lab(sums.map(|sum| sum as f64 / count / 255.0))
}

/// CIE Lab of an sRGB colour with components from 0 to 1 (IEC 61966-2-1, ISO 11664-4).
fn lab(srgb: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = srgb.map(|v| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) });
    // white is D65
    let x = (0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047;
    let y = 0.212671 * r + 0.715160 * g + 0.072169 * b;
    let z = (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883;
    let [x, y, z] = [x, y, z].map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}
