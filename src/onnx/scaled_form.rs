//! Matrices with a scale for each tile of values: block-scaled fp8, `mxfp8` and `nvfp4`.
//!
//! Sources: `backends/eager/quantization.py` and `float_utils.py` of comfy-kitchen for `mxfp8` and `nvfp4`; the
//! `weight_scale_inv` of 128x128 tiles is that of `DeepSeek` and `transformers` (`finegrained_fp8`), a scale for each
//! part of a row that of musubi-tuner.

use super::decode::{decode, f8e4m3};
use super::spec::Dtype;
use super::weights::{TensorInfo, Weights};
use crate::core::{Error, Kind, Result};

/// The numbers that four bits with two exponent bits and one mantissa bit stand for (E2M1); the highest bit is the sign.
const E2M1: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];

/// How the scales of a matrix are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleOrder {
    /// Row by row.
    Rows,
    /// As cuBLAS reads them: in blocks of 128x4, each as 32 rows of 4 times 4 scales; both sides are padded.
    Blocked,
}

/// A matrix with a scale for each tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledForm {
    /// Its name in messages.
    pub word: &'static str,
    /// The tensor of the scales.
    pub scales: TensorInfo,
    /// Their arrangement.
    pub order: ScaleOrder,
    /// Rows and columns of a tile.
    pub tile: [usize; 2],
    /// A scale of the whole matrix.
    pub global: Option<TensorInfo>,
}

impl ScaledForm {
    /// Whether a byte holds two values of four bits.
    fn is_packed(info: &TensorInfo) -> bool {
        info.dtype == Dtype::U8
    }

    /// Bytes of `values` values of the matrix `info`.
    pub(super) fn stored_bytes(info: &TensorInfo, values: usize) -> u64 {
        (if Self::is_packed(info) { values / 2 } else { values * info.dtype.size() }) as u64
    }

    /// Appends the values of the matrix `info` without their scales.
    pub(super) fn decode(info: &TensorInfo, bytes: &[u8], values: &mut Vec<f32>) {
        match info.dtype {
            // the first of two values is in the high half
            Dtype::U8 => values.extend(bytes.iter().flat_map(|byte| [e2m1(byte >> 4), e2m1(byte & 15)])),
            Dtype::I8 => values.extend(bytes.iter().map(|byte| f32::from(byte.cast_signed()))),
            Dtype::F8E4M3 => values.extend(bytes.iter().map(|&byte| f8e4m3(byte))),
            dtype => {
                decode(dtype, bytes, values);
            }
        }
    }

    /// Number of tiles in the rows and columns of a matrix of this shape.
    fn num_tiles(&self, shape: &[usize]) -> [usize; 2] {
        let size = |axis: usize| shape.get(axis).copied().unwrap_or(1).div_ceil(self.tile[axis].max(1));
        [size(0), size(1)]
    }

    /// The scales of the matrix `info`, a row of tiles after the other.
    ///
    /// Fails with [`Kind::CorruptModel`] if there are fewer than the matrix has tiles.
    pub(super) fn read_scales(&self, weights: &Weights, info: &TensorInfo) -> Result<Vec<f32>> {
        let global = match &self.global {
            Some(global) => numbers(weights, global)?.first().copied().unwrap_or(1.0),
            None => 1.0,
        };
        let stored = numbers(weights, &self.scales)?;
        let [rows, columns] = self.num_tiles(&info.shape);
        let place = |row: usize, column: usize| match self.order {
            ScaleOrder::Rows => row * columns + column,
            ScaleOrder::Blocked => {
                let block = row / 128 * columns.div_ceil(4) + column / 4;
                (block * 32 + row % 32) * 16 + row % 128 / 32 * 4 + column % 4
            }
        };
        let scales = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let scales = scales.map(|(row, column)| stored.get(place(row, column)).map(|scale| global * scale));
        scales.collect::<Option<_>>().ok_or_else(|| {
            let message = format!(
                "A matrix of shape {:?} has {} scales, too few for its {} format",
                info.shape,
                stored.len(),
                self.word
            );
            Error::new(Kind::CorruptModel, message).remedy("Download the model again")
        })
    }

    /// Multiplies `values`, which begin with value `first` of the matrix `info`, by their `scales`.
    pub(super) fn scale(&self, info: &TensorInfo, scales: &[f32], first: usize, values: &mut [f32]) {
        let (width, [_, columns]) =
            (info.shape.get(1).copied().unwrap_or(1).max(1), self.num_tiles(&info.shape));
        for (at, value) in (first..).zip(values) {
            let (row, column) = (at / width / self.tile[0].max(1), at % width / self.tile[1].max(1));
            *value *= scales.get(row * columns + column).copied().unwrap_or(f32::NAN);
        }
    }
}

fn e2m1(bits: u8) -> f32 {
    let magnitude = E2M1[usize::from(bits & 7)];
    if bits & 8 == 0 { magnitude } else { -magnitude }
}

/// Scales in fp32; bytes are exponents (E8M0).
fn numbers(weights: &Weights, info: &TensorInfo) -> Result<Vec<f32>> {
    let (bytes, mut values) = (weights.bytes(info)?, Vec::new());
    if info.dtype == Dtype::U8 {
        values.extend(
            bytes.iter().map(|&byte| if byte == 0xFF { f32::NAN } else { (f32::from(byte) - 127.0).exp2() }),
        );
    } else {
        decode(info.dtype, &bytes, &mut values);
    }
    Ok(values)
}
