//! The preview's map, found by least squares: the colours of latent cells from their channels.
//!
//! With an encoder, drawn images are encoded, once per VAE. Without one (an exported model) the map is learned from the
//! videos that it decodes. Decoding random latents instead was tried and teaches wrong colours: they lie far from what
//! an encoder gives.

use ndarray::{Array2, ArrayD, Axis};

use super::context::RunContext;
use super::encode_image::CHUNK;
use super::networks::ImageEncoder;
use super::preview::PreviewMap;
use super::preview_draw::{ClipShape, mosaic};
use crate::core::{Frame, Result};

/// Drawings of the fit.
const DRAWINGS: usize = 12;
/// Fraction of the mean square that keeps the weight of a constant channel at zero.
const RIDGE: f64 = 1e-4;
/// The same fraction for a single video, in which more channels are correlated by accident.
const RIDGE_OF_ONE: f64 = 1e-2;

/// Fits the map of an encoder. `stride` is the pixels of a cell.
pub(super) fn fit(
    encoder: &ImageEncoder<'_>,
    shape: ClipShape,
    stride: usize,
    context: &mut RunContext<'_>,
) -> Result<Option<PreviewMap>> {
    let count = DRAWINGS.div_ceil(shape.drawings().max(1));
    let clips: Vec<_> = (0..count).map(|index| mosaic(index, shape, stride)).collect();
    let latents = context.quietly(|context| encoder.clips(&clips, context))?;
    let mut sums = Sums::default();
    for (clip, latent) in clips.iter().zip(&latents) {
        sums.add_video(clip, latent);
    }
    Ok(sums.solve(RIDGE).map(PreviewMap::new))
}

/// What was learned about a VAE from decoded videos.
pub(super) struct Learned(Sums);

/// Adds a decoded video and its normalised latent `[1, z, T, h, w]` to what was learned `before`.
pub(super) fn learn(before: Option<ArrayD<f32>>, video: &[Frame], latent: &ArrayD<f32>) -> Learned {
    let mut sums = Sums::default();
    sums.add_video(video, latent);
    let weight = 1.0 / sums.count.max(1) as f64;
    sums.rows *= weight;
    sums.count = 1;
    // each video counts the same, and one that is not finite nothing
    let before = before.and_then(|kept| Sums::from_tensor(&kept)).filter(|kept| kept.fits(&sums));
    Learned(match before {
        Some(mut kept) if sums.is_finite() => {
            kept.rows += &sums.rows;
            kept.count += 1;
            kept
        }
        Some(kept) => kept,
        None => sums,
    })
}

impl Learned {
    /// The map so far.
    pub(super) fn map(&self) -> Option<PreviewMap> {
        self.0.clone().solve(RIDGE_OF_ONE).map(PreviewMap::new)
    }

    /// What is kept for the next video: the number of videos, then the sums.
    pub(super) fn tensor(&self) -> ArrayD<f32> {
        let numbers = std::iter::once(self.0.count as f64).chain(self.0.rows.iter().copied());
        numbers.map(|number| number as f32).collect::<ndarray::Array1<_>>().into_dyn()
    }
}

/// Mean colour of a cell over all pixels and frames that it covers.
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

/// The normal equations of the weights that give colours from channels and a constant.
#[derive(Clone, Default)]
struct Sums {
    /// `[n + 1, n + 4]`, the right sides behind; empty before the first cell.
    rows: Array2<f64>,
    count: usize,
}

impl Sums {
    /// Of [`Learned::tensor`].
    fn from_tensor(kept: &ArrayD<f32>) -> Option<Self> {
        let mut numbers = kept.iter().map(|number| f64::from(*number));
        let count = numbers.next()? as usize;
        let rows: Vec<_> = numbers.collect();
        // n + 1 rows of n + 4
        let order = (1..=rows.len()).find(|order| order * (order + 3) >= rows.len())?;
        Some(Self { rows: Array2::from_shape_vec((order, order + 3), rows).ok()?, count })
    }

    fn fits(&self, other: &Self) -> bool {
        self.rows.dim() == other.rows.dim() && self.is_finite()
    }

    fn is_finite(&self) -> bool {
        self.rows.iter().all(|number| number.is_finite())
    }

    /// Every cell of a latent, with the pixels that it covers.
    fn add_video(&mut self, video: &[Frame], latent: &ArrayD<f32>) {
        let Some(first) = video.first() else { return };
        let &[_, _, _, height, width] = latent.shape() else { return };
        let stride = first.size.width as usize / width.max(1);
        let mut rest = video;
        for (t, frame) in latent.index_axis(Axis(0), 0).axis_iter(Axis(1)).enumerate() {
            let count = if t == 0 { 1 } else { CHUNK };
            let Some((shown, later)) = rest.split_at_checked(count) else { return };
            rest = later;
            for (y, x) in (0..height * width).map(|cell| (cell / width, cell % width)) {
                let channels: Vec<_> = frame.outer_iter().map(|plane| f64::from(plane[[y, x]])).collect();
                self.add(&channels, mean_colour(shown, [y, x], stride));
            }
        }
    }

    fn add(&mut self, channels: &[f64], colour: [f64; 3]) {
        let order = channels.len() + 1;
        if self.rows.is_empty() {
            self.rows = Array2::zeros((order, order + 3));
        }
        let at = |i: usize| channels.get(i).copied().unwrap_or(1.0);
        for i in 0..order {
            for j in 0..order {
                self.rows[[i, j]] += at(i) * at(j);
            }
            for (c, value) in colour.iter().enumerate() {
                self.rows[[i, order + c]] += at(i) * value;
            }
        }
        self.count += 1;
    }

    /// The weights `[n + 1, 3]` with the least squared error.
    fn solve(mut self, ridge: f64) -> Option<Array2<f32>> {
        let order = self.rows.nrows();
        for i in 0..order.checked_sub(1)? {
            self.rows[[i, i]] += ridge * self.count as f64;
        }
        eliminate(&mut self.rows)?;
        let weights = Array2::from_shape_fn((order, 3), |(i, c)| self.rows[[i, order + c]] as f32);
        weights.iter().all(|weight| weight.is_finite()).then_some(weights)
    }
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
    use crate::core::{Resolution, Seed};
    use crate::wan::noise;

    #[test]
    fn a_linear_rule_is_found_again() {
        let rule = [[0.2, 0.0, -0.1], [0.0, 0.3, 0.1], [0.5, 0.4, 0.3]];
        let mut sums = Sums::default();
        for seed in 0..200 {
            let values: Vec<_> = noise::standard_normal(Seed(seed), 2).into_iter().map(f64::from).collect();
            sums.add(
                &values,
                [0, 1, 2].map(|c| values[0] * rule[0][c] + values[1] * rule[1][c] + rule[2][c]),
            );
        }
        let found = sums.solve(RIDGE).unwrap();
        for ((i, c), value) in found.indexed_iter() {
            assert!((f64::from(*value) - rule[i][c]).abs() < 1e-3, "{found}");
        }
        assert_eq!(Sums::default().solve(RIDGE), None);
    }

    #[test]
    fn a_map_is_learned_from_decoded_videos() {
        // grey as bright as a third of the first channel; the second one never moves
        let values = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.1, 0.3];
        let latent = ArrayD::from_shape_fn(vec![1, 2, 2, 2, 2], |at| {
            if at[1] == 0 { 3.0 * values[at[2] * 4 + at[3] * 2 + at[4]] } else { 0.0 }
        });
        let frame = |t: usize| {
            let bytes = |pixel: usize| [(values[t * 4 + pixel] * 255.0) as u8; 3];
            Frame { size: Resolution::new(2, 2), rgb: (0..4).flat_map(bytes).collect() }
        };
        let video: Vec<_> = [0, 1, 1, 1, 1].map(frame).into();
        let learned = learn(None, &video, &latent);
        let twice = learn(Some(learned.tensor()), &video, &latent);
        assert_eq!(twice.tensor()[[0]], 2.0);
        let shown = twice.map().unwrap().frames(&latent.view());
        for (found, wanted) in shown.iter().zip([&video[0], &video[1]]) {
            assert!(
                found.rgb.iter().zip(&wanted.rgb).all(|(a, b)| a.abs_diff(*b) < 12),
                "{found:?} {wanted:?}"
            );
        }
    }
}
