//! Live preview: what a half-denoised latent shows, by a linear map from its channels to colours.
//!
//! The map is fitted on the model's own VAE: drawn pictures are encoded, and least squares finds the colours of the
//! cells from their channels. That takes one pass of the encoder per VAE; the map is then kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayD, ArrayViewD, Axis};

use super::encode_image::Encoder;
use super::story::Story;
use crate::core::{CancelToken, Event, Frame, Resolution, Result, Secs, Seed, Stage};
use crate::wan::noise;

/// Share of the denoising time that previews may take.
const BUDGET: f64 = 0.03;
/// Drawn clips of the fit, each of five frames: two latent frames.
const CLIPS: usize = 12;
const CLIP_FRAMES: usize = 5;
/// Cells on each side of a drawn clip.
const CELLS: usize = 8;
/// Share of the mean square that keeps the fit of a channel that never moves at zero.
const RIDGE: f64 = 1e-4;

/// Colours in [0, 1] from the channels of a normalised latent cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PreviewMap {
    /// `[z + 1, 3]`, the constant last.
    weights: Array2<f32>,
}

impl PreviewMap {
    /// The map of a kept tensor, if it is one for `channels`.
    pub(super) fn from_tensor(tensor: ArrayD<f32>, channels: usize) -> Option<Self> {
        let weights = tensor.into_dimensionality().ok()?;
        (weights.dim() == (channels + 1, 3)).then_some(Self { weights })
    }

    pub(super) fn tensor(&self) -> ArrayD<f32> {
        self.weights.clone().into_dyn()
    }

    /// A small picture for each latent frame of `[1, z, T, h, w]`, a pixel for each cell.
    pub(super) fn frames(&self, latent: &ArrayViewD<'_, f32>) -> Vec<Frame> {
        let (channels, height, width) = (latent.shape()[1], latent.shape()[3], latent.shape()[4]);
        let one_video = latent.index_axis(Axis(0), 0);
        let frame = |picture: ArrayViewD<'_, f32>| {
            let mut sums: Vec<_> = (0..height * width * 3).map(|i| self.weights[[channels, i % 3]]).collect();
            for (channel, plane) in picture.outer_iter().enumerate() {
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

    /// Fits the map of an encoder. `stride` is the pixels of a cell.
    pub(super) fn fit(encoder: &Encoder<'_>, stride: usize, cancel: &CancelToken) -> Result<Option<Self>> {
        let mut quiet = |_: Event| {};
        let mut story = Story::new(&mut quiet);
        let (mut cells, mut colours) = (Vec::new(), Vec::new());
        let clips: Vec<_> = (0..CLIPS).map(|index| draw(index as u64, CELLS * stride)).collect();
        let latents = encoder.clips(&clips, (&mut story, cancel))?;
        for (clip, latent) in clips.iter().zip(&latents) {
            for (t, frame) in latent.index_axis(Axis(0), 0).axis_iter(Axis(1)).enumerate() {
                let shown = if t == 0 { &clip[..1] } else { &clip[1..] };
                for cell in 0..CELLS * CELLS {
                    let (y, x) = (cell / CELLS, cell % CELLS);
                    cells.push(frame.outer_iter().map(|plane| f64::from(plane[[y, x]])).collect::<Vec<_>>());
                    colours.push(mean_colour(shown, [y, x], stride));
                }
            }
        }
        Ok(least_squares(&cells, &colours).map(|weights| Self { weights }))
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

    /// Tells what the clean latent would be, `sample - sigma * velocity`, if the budget allows.
    pub(super) fn tell(
        &mut self,
        (sample, velocity, sigma): (&ArrayD<f32>, &ArrayD<f32>, f32),
        stage: Stage,
        story: &mut Story<'_>,
    ) {
        let Some(map) = &self.map else { return };
        if self.spent.as_secs_f64() > BUDGET * self.began.elapsed().as_secs_f64() {
            return;
        }
        let began = Instant::now();
        let mut clean = sample.clone();
        clean.zip_mut_with(velocity, |clean, velocity| *clean -= sigma * velocity);
        let frames: Arc<[Frame]> = map.frames(&clean.view()).into();
        let cost = began.elapsed();
        self.spent += cost;
        story.tell(Event::Preview { stage, frames, seconds: Secs::from(cost) });
    }

    /// What all previews took, as a share of the time since the first step began.
    pub(super) fn share(&self) -> Option<f64> {
        self.map.as_ref()?;
        Some(self.spent.as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-9))
    }
}

/// A clip of discs that move over a gradient, all in colours by chance.
fn draw(index: u64, side: usize) -> Vec<Frame> {
    const DISCS: usize = 4;
    let numbers = noise::standard_normal(Seed(index + 1), 12 + 8 * DISCS);
    let colour = |at: usize| [0, 1, 2].map(|i| (0.5 + 0.35 * numbers[at + i]).clamp(0.0, 1.0));
    let corners = [colour(0), colour(3), colour(6)];
    let scale = side as f32;
    let frame = |t: usize| {
        let pixel = |i: usize| {
            let (y, x) = ((i / side) as f32 / scale, (i % side) as f32 / scale);
            let mut rgb = [0, 1, 2].map(|c| {
                corners[0][c] + (corners[1][c] - corners[0][c]) * x + (corners[2][c] - corners[0][c]) * y
            });
            for disc in 0..DISCS {
                let at = 12 + 8 * disc;
                let moved = |i: usize| 0.5 + 0.25 * numbers[at + i] + 0.03 * numbers[at + 2 + i] * t as f32;
                let (dy, dx) = (y - moved(0), x - moved(1));
                if (dy * dy + dx * dx).sqrt() < 0.1 + 0.06 * numbers[at + 4].abs() {
                    rgb = colour(at + 5);
                }
            }
            rgb.map(|value| (value.clamp(0.0, 1.0) * 255.0) as u8)
        };
        let rgb = (0..side * side).flat_map(pixel).collect();
        Frame { size: Resolution::new(side as u32, side as u32), rgb }
    };
    (0..CLIP_FRAMES).map(frame).collect()
}

/// Mean colour of a cell over all pixels and frames that it stands for.
fn mean_colour(frames: &[Frame], [y, x]: [usize; 2], stride: usize) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for frame in frames {
        let width = frame.size.width as usize;
        for row in y * stride..(y + 1) * stride {
            let start = (row * width + x * stride) * 3;
            for pixel in frame.rgb[start..start + stride * 3].as_chunks::<3>().0 {
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    *sum += f64::from(byte) / 255.0;
                }
            }
        }
    }
    sums.map(|sum| sum / (frames.len() * stride * stride) as f64)
}

/// The weights `[n + 1, 3]` that give `wanted` from `given` and a constant with the least squared error.
fn least_squares(given: &[Vec<f64>], wanted: &[[f64; 3]]) -> Option<Array2<f32>> {
    let order = given.first()?.len() + 1;
    // normal equations, right sides behind
    let mut rows = Array2::<f64>::zeros((order, order + 3));
    for (values, colours) in given.iter().zip(wanted) {
        let at = |i: usize| if i + 1 == order { 1.0 } else { values[i] };
        for i in 0..order {
            for j in 0..order {
                rows[[i, j]] += at(i) * at(j);
            }
            for (c, colour) in colours.iter().enumerate() {
                rows[[i, order + c]] += at(i) * colour;
            }
        }
    }
    for i in 0..order - 1 {
        rows[[i, i]] += RIDGE * given.len() as f64;
    }
    eliminate(&mut rows)?;
    Some(Array2::from_shape_fn((order, 3), |(i, c)| rows[[i, order + c]] as f32))
}

/// Gauss and Jordan with row exchange: turns the left square into the identity. None if it is singular.
fn eliminate(rows: &mut Array2<f64>) -> Option<()> {
    for pivot in 0..rows.nrows() {
        let best = (pivot..rows.nrows())
            .max_by(|&a, &b| rows[[a, pivot]].abs().total_cmp(&rows[[b, pivot]].abs()))?;
        if rows[[best, pivot]].abs() < 1e-12 {
            return None;
        }
        for column in 0..rows.ncols() {
            rows.swap([pivot, column], [best, column]);
        }
        let scale = rows[[pivot, pivot]];
        rows.row_mut(pivot).mapv_inplace(|value| value / scale);
        let row = rows.row(pivot).to_owned();
        for other in (0..rows.nrows()).filter(|&other| other != pivot) {
            let factor = rows[[other, pivot]];
            rows.row_mut(other).scaled_add(-factor, &row);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_rule_is_found_again() {
        let rule = [[0.2, 0.0, -0.1], [0.0, 0.3, 0.1], [0.5, 0.4, 0.3]];
        let given: Vec<_> = (0..200)
            .map(|seed| noise::standard_normal(Seed(seed), 2).into_iter().map(f64::from).collect::<Vec<_>>())
            .collect();
        let wanted: Vec<_> = given
            .iter()
            .map(|values| [0, 1, 2].map(|c| values[0] * rule[0][c] + values[1] * rule[1][c] + rule[2][c]))
            .collect();
        let found = least_squares(&given, &wanted).unwrap();
        for ((i, c), value) in found.indexed_iter() {
            assert!((f64::from(*value) - rule[i][c]).abs() < 1e-3, "{found}");
        }
        assert_eq!(least_squares(&[], &[]), None);
    }

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

    #[test]
    fn drawn_clips_move_and_differ() {
        let (first, second) = (draw(0, 32), draw(1, 32));
        assert_eq!((first.len(), first[0].rgb.len()), (CLIP_FRAMES, 32 * 32 * 3));
        assert!(first[0] != first[4] && first[0] != second[0]);
        assert_eq!(draw(0, 32), first);
    }
}
