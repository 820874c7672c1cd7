//! Conversion of one matrix, and its relative L2 error.

use super::int4;
use super::plan::{ConversionTarget, Tensor};
use super::relative_error::RelativeError;
use crate::core::{Bytes, CancelToken, Result};
use crate::onnx::{
    Dtype, INT4_BLOCK, RowReader, Weights, decode, f8e4m3, int8_row, matrix_shape, push_float,
};

/// Values that are read at once where rows do not matter.
const CHUNK: usize = 1 << 18;
/// Rows of a matrix that are read at once: 64 outputs are one cache line of the transposed int8 matrix.
const ROWS: usize = 64;
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

/// Reads the matrix `name` in chunks of up to 64 rows.
///
/// `take` is called with the index of the first row and the values of each chunk, `read` with its size in the file.
fn by_rows(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
    take: &mut dyn FnMut(usize, &[f32]),
) -> Result<()> {
    let [outputs, inputs] = matrix_shape(weights, name)?;
    let reader = RowReader::new(weights, name)?;
    for first in (0..outputs).step_by(ROWS) {
        cancel.check()?;
        let rows = ROWS.min(outputs - first);
        let numbers = reader.values(first * inputs..(first + rows) * inputs)?;
        read(Bytes(reader.stored_bytes(rows * inputs)));
        take(first, &numbers);
    }
    Ok(())
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
            let scale = int8_row(row, rounded);
            for (&value, &byte) in row.iter().zip(&*rounded) {
                error.add(value, f32::from(byte.cast_signed()) * scale);
            }
            scales.push(scale);
        }
        for input in 0..*inputs {
            let line = &mut values[input * *outputs + first..][..rows];
            for (value, row) in line.iter_mut().zip(rounded.chunks_exact(*inputs)) {
                *value = row[input];
            }
        }
    }
}

/// Appends the weights of one output as float8 E4M3 and returns their scale.
///
/// A scale for each output costs no time in a run, and the matrix is read only once here.
fn fp8_row(row: &[f32], values: &mut Vec<u8>, error: &mut RelativeError) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / FP8_MAX;
    let first = values.len();
    for &value in row {
        push_float(values, if scale > 0.0 { value / scale } else { 0.0 }, Dtype::F8E4M3);
    }
    for (&value, &byte) in row.iter().zip(&values[first..]) {
        error.add(value, f8e4m3(byte) * scale);
    }
    scale
}

/// Reads a tensor in chunks, passes each to `put` as bytes of its new type, and returns the relative L2 error.
pub(super) fn cast(
    weights: &Weights,
    tensor: &Tensor,
    cancel: &CancelToken,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let reader = RowReader::new(weights, &tensor.name)?;
    let count = reader.num_values();
    let mut error = RelativeError::default();
    let (mut bytes, mut written) = (Vec::with_capacity(4 * CHUNK), Vec::with_capacity(CHUNK));
    for first in (0..count).step_by(CHUNK) {
        cancel.check()?;
        let numbers = reader.values(first..count.min(first + CHUNK))?;
        bytes.clear();
        written.clear();
        for value in &numbers {
            push_float(&mut bytes, *value, tensor.dtype);
        }
        decode(tensor.dtype, &bytes, &mut written);
        for (exact, written) in numbers.iter().zip(&written) {
            error.add(*exact, *written);
        }
        put(&bytes)?;
    }
    Ok(error.l2())
}
