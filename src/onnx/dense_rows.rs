//! Rows of a stored matrix as fp32 values, also of the matrices that this program quantises.

use std::ops::Range;

use super::decode::decode;
use super::quantised::{INT4_BLOCK, scale_name};
use super::row_reader::RowReader;
use super::weights::{TensorInfo, Weights};
use crate::core::{Quantisation, Result};

/// A matrix of which rows can be read as fp32.
pub struct DenseRows<'w> {
    shape: [usize; 2],
    rows: Rows<'w>,
}

enum Rows<'w> {
    /// Stored by rows.
    Stored(RowReader<'w>),
    /// int8, stored by columns, with a scale for each output.
    Int8 { bytes: Vec<u8>, scales: Vec<f32> },
    /// int4, with a scale for each block.
    Int4 { weights: &'w Weights, info: &'w TensorInfo, scales: Vec<f32> },
}

impl<'w> DenseRows<'w> {
    /// The matrix `name` of `weights`; more dimensions than two are taken as inputs. Of repacked weights, the original
    /// is read.
    pub fn open(weights: &'w Weights, name: &'w str) -> Result<Self> {
        let weights = weights.stored();
        let info = weights.get(name)?;
        let shape = [info.shape.first().copied().unwrap_or(1), info.shape.iter().skip(1).product()];
        let mut scales = Vec::new();
        let quantisation = weights.quantisation_of(name);
        if let (Some(_), Some(scale)) = (quantisation, scale_name(name)) {
            let scale = weights.get(&scale)?;
            decode(scale.dtype, &weights.bytes(scale)?, &mut scales);
        }
        let rows = match quantisation {
            Some(Quantisation::Int8) => Rows::Int8 { bytes: weights.bytes(info)?, scales },
            Some(Quantisation::Int4) => Rows::Int4 { weights, info, scales },
            None => Rows::Stored(RowReader::new(weights, name)?),
        };
        Ok(Self { shape, rows })
    }

    /// Outputs and inputs.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The rows in `range`, one after the other. Fails with [`Kind::Unsupported`](crate::core::Kind::Unsupported) if their
    /// form is not known.
    pub fn rows(&self, range: Range<usize>) -> Result<Vec<f32>> {
        let [outputs, inputs] = self.shape;
        match &self.rows {
            Rows::Stored(reader) => reader.values(range.start * inputs..range.end * inputs),
            Rows::Int8 { bytes, scales } => {
                let value = |row: usize, column: usize| {
                    let bits = bytes.get(column * outputs + row).copied().unwrap_or_default();
                    f32::from(bits.cast_signed()) * scales.get(row).copied().unwrap_or(f32::NAN)
                };
                Ok(range.flat_map(|row| (0..inputs).map(move |column| value(row, column))).collect())
            }
            Rows::Int4 { weights, info, scales } => {
                let packed = weights.bytes(&TensorInfo {
                    offset: info.offset + (range.start * inputs / 2) as u64,
                    len: (range.len() * inputs / 2) as u64,
                    ..(*info).clone()
                })?;
                let first = range.start * inputs / INT4_BLOCK;
                let value = |index: usize| {
                    let bits = packed.get(index / 2).map_or(0, |byte| byte >> (4 * (index % 2)) & 15);
                    let scale = scales.get(first + index / INT4_BLOCK).copied().unwrap_or(f32::NAN);
                    (f32::from(bits) - 8.0) * scale
                };
                Ok((0..range.len() * inputs).map(value).collect())
            }
        }
    }
}
