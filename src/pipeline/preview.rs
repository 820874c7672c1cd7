//! Live preview: what a half-denoised latent shows, by a linear map from its channels to colours.
//!
//! The map belongs to the VAE and is kept; [`super::preview_fit`] finds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayD, ArrayViewD, Axis};

use super::denoise::Prediction;
use super::reporter::Reporter;
use crate::core::{Event, Frame, Resolution, Secs, Stage};

/// Fraction of the denoising time that previews may take.
const BUDGET: f64 = 0.03;

/// Colours in [0, 1] from the channels of a normalised latent cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PreviewMap {
    /// `[z + 1, 3]`, the constant last.
    weights: Array2<f32>,
}

impl PreviewMap {
    /// The map of fitted weights `[z + 1, 3]`.
    pub(super) fn new(weights: Array2<f32>) -> Self {
        Self { weights }
    }

    /// The map of a kept tensor, if it is one for `channels`.
    pub(super) fn from_tensor(tensor: ArrayD<f32>, channels: usize) -> Option<Self> {
        let weights = tensor.into_dimensionality().ok()?;
        (weights.dim() == (channels + 1, 3)).then_some(Self { weights })
    }

    pub(super) fn tensor(&self) -> ArrayD<f32> {
        self.weights.clone().into_dyn()
    }

    /// A small image for each latent frame of `[1, z, T, h, w]`, a pixel for each cell.
    pub(super) fn frames(&self, latent: &ArrayViewD<'_, f32>) -> Vec<Frame> {
        let (channels, height, width) = (latent.shape()[1], latent.shape()[3], latent.shape()[4]);
        let one_video = latent.index_axis(Axis(0), 0);
        let frame = |image: ArrayViewD<'_, f32>| {
            let mut sums: Vec<_> = (0..height * width * 3).map(|i| self.weights[[channels, i % 3]]).collect();
            for (channel, plane) in image.outer_iter().enumerate() {
                let row = self.weights.row(channel);
                for (value, pixel) in plane.iter().zip(sums.as_chunks_mut::<3>().0) {
                    for (sum, weight) in pixel.iter_mut().zip(row) {
                        *sum += value * weight;
                    }
                }
            }
            let rgb = sums.into_iter().map(|value| (value.clamp(0.0, 1.0) * 255.0) as u8).collect();
            Frame { size: Resolution::new(width as u32, height as u32), rgb }
        };
        one_video.axis_iter(Axis(1)).map(frame).collect()
    }
}

/// Previews of one run, within their budget.
pub(super) struct Preview {
    map: Option<PreviewMap>,
    began: Instant,
    spent: Duration,
}

impl Preview {
    /// Previews by `map`; none without one.
    pub(super) fn new(map: Option<PreviewMap>) -> Self {
        Self { map, began: Instant::now(), spent: Duration::ZERO }
    }

    /// Sends what the clean latent would be, `sample - sigma * velocity`, if the budget allows.
    pub(super) fn send(&mut self, prediction: &Prediction<'_>, stage: Stage, reporter: &mut Reporter<'_>) {
        let Some(map) = &self.map else { return };
        if self.spent.as_secs_f64() > BUDGET * self.began.elapsed().as_secs_f64() {
            return;
        }
        let began = Instant::now();
        let Prediction { sample, velocity, sigma } = prediction;
        let mut clean = ArrayD::clone(sample);
        clean.zip_mut_with(velocity, |clean, velocity| *clean -= sigma * velocity);
        let frames: Arc<[Frame]> = map.frames(&clean.view()).into();
        let cost = began.elapsed();
        self.spent += cost;
        reporter.send(Event::Preview { stage, frames, seconds: Secs::from(cost) });
    }

    /// The time that all previews took, as a fraction of the time since the first step began.
    pub(super) fn time_fraction(&self) -> Option<f64> {
        self.map.as_ref()?;
        Some(self.spent.as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_becomes_a_pixel() {
        // one channel: red grows with it
        let weights = ndarray::array![[0.5, 0.0, 0.0], [0.5, 0.0, 1.0]];
        let map = PreviewMap { weights };
        let latent = ArrayD::from_shape_vec(vec![1, 1, 2, 1, 2], vec![-1.0, 1.0, 0.0, 9.0]).unwrap();
        let frames = map.frames(&latent.view());
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].rgb, [0, 0, 255, 255, 0, 255]);
        assert_eq!(frames[1].rgb, [127, 0, 255, 255, 0, 255]);
        assert_eq!(PreviewMap::from_tensor(map.tensor(), 1), Some(map.clone()));
        assert_eq!(PreviewMap::from_tensor(map.tensor(), 16), None);
    }
}
