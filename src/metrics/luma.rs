//! Brightness of a frame as floating point numbers.

use crate::core::Frame;

/// Weights of red, green and blue (ITU-R BT.601), as scikit-image's and ffmpeg's grey use for standard definition.
const WEIGHTS: [f64; 3] = [0.299, 0.587, 0.114];

/// Brightness from 0 to 255, rows from top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Luma {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f64>,
}

impl Luma {
    /// The brightness of `frame`.
    pub(super) fn of(frame: &Frame) -> Self {
        let values = frame
            .rgb
            .chunks_exact(3)
            .map(|pixel| pixel.iter().zip(WEIGHTS).map(|(&byte, weight)| f64::from(byte) * weight).sum());
        Self {
            width: frame.size.width as usize,
            height: frame.size.height as usize,
            values: values.collect(),
        }
    }

    /// Half the size: the mean of each 2x2 pixels; an odd last row or column is dropped.
    pub(super) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let values = (0..height).flat_map(|y| {
            let (top, bottom) = (2 * y, 2 * y + 1);
            (0..width).map(move |x| {
                (at(2 * x, top) + at(2 * x + 1, top) + at(2 * x, bottom) + at(2 * x + 1, bottom)) / 4.0
            })
        });
        Self { width, height, values: values.collect() }
    }

    /// Variance of the Laplacian over all pixels with four neighbours; 0 where there are none.
    pub(super) fn laplacian_variance(&self) -> f64 {
        if self.width < 3 || self.height < 3 {
            return 0.0;
        }
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let (mut sum, mut squares) = (0.0, 0.0);
        for y in 1..self.height - 1 {
            for x in 1..self.width - 1 {
                let value = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y);
                sum += value;
                squares += value * value;
            }
        }
        let count = ((self.width - 2) * (self.height - 2)) as f64;
        (squares / count - (sum / count).powi(2)).max(0.0)
    }
}
