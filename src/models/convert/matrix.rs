//! Conversion of one matrix, and its relative L2 error.

use super::decode::{bf16_from, f8e4m3};
use super::int4;
use super::plan::ConversionTarget;
use super::source_values::{ROWS, RelativeError, Scales, by_rows, matrix_shape};
use crate::core::{Bytes, CancelToken, Result};
use crate::models::synth::encode::push;
use crate::onnx::{Dtype, INT4_BLOCK, Weights};

/// Values that are read at once where rows do not matter.
const CHUNK: usize = 1 << 18;
/// Largest int8 magnitude; -128 is unused, so that the range is symmetric.
const INT8_MAX: f32 = 127.0;
/// Largest value of float8 E4M3FN.
const FP8_MAX: f32 = 448.0;

/// A converted matrix with its scales.
pub(super) struct QuantisedMatrix {
    /// Bytes as stored.
    pub(super) values: Vec<u8>,
    /// One scale for each output, or for each block of int4.
    pub(super) scales: Vec<f32>,
    /// Relative L2 error.
    pub(super) relative_l2: f64,
}

/// Reads the matrix `name` in chunks and quantises it to `target`.
pub(super) fn quantise(
    target: ConversionTarget,
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
) -> Result<QuantisedMatrix> {
    let [outputs, inputs] = matrix_shape(weights, name)?;
    let (mut values, mut scales) = (Vec::new(), Vec::new());
    let mut error = RelativeError::default();
    let mut transposed = Transposed { outputs, inputs, rounded: Vec::new() };
    let mut take = |first: usize, numbers: &[f32]| match target {
        ConversionTarget::Int4 => {
            for block in numbers.chunks_exact(INT4_BLOCK) {
                let (scale, bytes) = int4::round_block(block, &mut error);
                scales.push(scale);
                values.extend(bytes);
            }
        }
        ConversionTarget::Fp8 => {
            let rows = numbers.chunks_exact(inputs);
            scales.extend(rows.map(|row| fp8_row(row, &mut values, &mut error)));
        }
        ConversionTarget::Int8 | ConversionTarget::Bf16 => {
            transposed.add(first, numbers, &mut values, &mut scales, &mut error);
        }
    };
    by_rows(weights, name, cancel, read, &mut take)?;
    Ok(QuantisedMatrix { values, scales, relative_l2: error.l2() })
}

/// Quantises rows to int8 and stores them transposed, `[inputs, outputs]`.
struct Transposed {
    outputs: usize,
    inputs: usize,
    rounded: Vec<u8>,
}

impl Transposed {
    /// Quantises the rows `numbers`, starting with row `first`, and writes them as columns of `values`.
    fn add(
        &mut self,
        first: usize,
        numbers: &[f32],
        values: &mut Vec<u8>,
        scales: &mut Vec<f32>,
        error: &mut RelativeError,
    ) {
        let Self { outputs, inputs, rounded } = self;
        values.resize(*outputs * *inputs, 0);
        rounded.resize(ROWS * *inputs, 0);
        let rows = numbers.len() / *inputs;
        for (row, rounded) in numbers.chunks_exact(*inputs).zip(rounded.chunks_exact_mut(*inputs)) {
            scales.push(int8_row(row, rounded, error));
        }
        for input in 0..*inputs {
            let line = &mut values[input * *outputs + first..][..rows];
            for (value, row) in line.iter_mut().zip(rounded.chunks_exact(*inputs)) {
                *value = row[input];
            }
        }
    }
}

/// Quantises the weights of one output to int8 and returns their scale.
fn int8_row(row: &[f32], rounded: &mut [u8], error: &mut RelativeError) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / INT8_MAX;
    for (&value, rounded) in row.iter().zip(rounded) {
        let integer =
            if scale > 0.0 { (value / scale).round_ties_even().clamp(-INT8_MAX, INT8_MAX) } else { 0.0 };
        error.add(value, integer * scale);
        *rounded = (integer as i8).cast_unsigned();
    }
    scale
}

/// Appends the weights of one output as float8 E4M3 and returns their scale.
///
/// A scale for each output costs no time in a run, and the matrix is read only once here.
fn fp8_row(row: &[f32], values: &mut Vec<u8>, error: &mut RelativeError) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / FP8_MAX;
    let first = values.len();
    for &value in row {
        push(values, if scale > 0.0 { value / scale } else { 0.0 }, Dtype::F8E4M3);
    }
    for (&value, &byte) in row.iter().zip(&values[first..]) {
        error.add(value, f8e4m3(byte) * scale);
    }
    scale
}

/// Reads the tensor `name` in chunks, passes each to `put` as bf16 bytes, and returns the relative L2 error.
pub(super) fn cast_to_bf16(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let info = weights.get(name)?;
    let count: usize = info.shape.iter().product();
    let scales = Scales::read(weights, name)?;
    let mut error = RelativeError::default();
    let mut bytes = Vec::with_capacity(2 * CHUNK);
    for first in (0..count).step_by(CHUNK) {
        cancel.check()?;
        let numbers = scales.numbers(weights, info, name, first..count.min(first + CHUNK))?;
        bytes.clear();
        for value in numbers {
            let bits = bf16_from(value);
            error.add(value, f32::from_bits(u32::from(bits) << 16));
            bytes.extend(bits.to_le_bytes());
        }
        put(&bytes)?;
    }
    Ok(error.l2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_scale() {
        let (mut rounded, mut error) = ([0; 4], RelativeError::default());
        let scale = int8_row(&[1.27, -1.27, 0.005, 0.0149], &mut rounded, &mut error);
        assert!((scale - 0.01).abs() < 1e-8);
        assert_eq!(rounded.map(u8::cast_signed), [127, -127, 0, 1]);
        assert!(error.l2() > 0.003 && error.l2() < 0.004);
        assert_eq!(int8_row(&[0.0; 4], &mut rounded, &mut error), 0.0);
        assert_eq!(rounded, [0; 4]);
    }
}
