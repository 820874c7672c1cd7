//! Reads stored tensors as fp32 values in chunks, and measures the error of converted values.

use super::decode::decode;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{TensorInfo, Weights};

/// Rows of a matrix that are read at once: 64 outputs are one cache line of the transposed int8 matrix.
pub(super) const ROWS: usize = 64;

/// Errors are rounded to 12 decimals, which JSON reproduces exactly: a resumed conversion must write the same report as
/// an uninterrupted one.
const ROUNDING: f64 = 1e12;

/// Relative L2 error of converted values: the norm of the differences divided by the norm of the exact values.
#[derive(Default)]
pub(super) struct RelativeError {
    error: f64,
    size: f64,
}

impl RelativeError {
    /// Adds one value and its converted value.
    pub(super) fn add(&mut self, exact: f32, rounded: f32) {
        self.error += f64::from(exact - rounded).powi(2);
        self.size += f64::from(exact).powi(2);
    }

    /// The error so far; 0 if all values are zero.
    pub(super) fn l2(&self) -> f64 {
        let exact = if self.size > 0.0 { (self.error / self.size).sqrt() } else { 0.0 };
        (exact * ROUNDING).round() / ROUNDING
    }
}

/// Shape `[outputs, inputs]` of the matrix `name`.
pub(super) fn matrix_shape(weights: &Weights, name: &str) -> Result<[usize; 2]> {
    match weights.get(name)?.shape[..] {
        [outputs, inputs] => Ok([outputs, inputs]),
        _ => Err(Error::new(Kind::Bug, format!("The tensor {name} is not a matrix"))),
    }
}

/// Reads the matrix `name` in chunks of up to 64 rows.
///
/// `take` is called with the index of the first row and the values of each chunk, `read` with its size in the file.
pub(super) fn by_rows(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
    take: &mut dyn FnMut(usize, &[f32]),
) -> Result<()> {
    let [outputs, inputs] = matrix_shape(weights, name)?;
    let info = weights.get(name)?;
    let scales = Scales::read(weights, name)?;
    for first in (0..outputs).step_by(ROWS) {
        cancel.check()?;
        let rows = ROWS.min(outputs - first);
        let numbers = scales.numbers(weights, info, name, first * inputs..(first + rows) * inputs)?;
        read(Bytes((rows * inputs * info.dtype.size()) as u64));
        take(first, &numbers);
    }
    Ok(())
}

/// The fp8 scales of a stored tensor: none, one for the whole tensor, or one for each row.
pub(super) struct Scales {
    values: Vec<f32>,
    row: usize,
}

impl Scales {
    pub(super) fn read(weights: &Weights, name: &str) -> Result<Self> {
        let row = weights.get(name)?.shape.iter().skip(1).product::<usize>().max(1);
        let scale = name.strip_suffix(".weight").map(|module| format!("{module}.scale_weight"));
        let mut values = Vec::new();
        if let Some(info) = scale.as_ref().filter(|scale| weights.contains(scale)) {
            let info = weights.get(info)?;
            decode(info.dtype, &weights.bytes(info)?, &mut values);
        }
        Ok(Self { values, row })
    }

    /// The values of the elements in `range`, in fp32 and multiplied by their scales.
    ///
    /// Fails with [`Kind::Unsupported`] for a type that is not floating point, and with [`Kind::CorruptModel`] if a value
    /// is infinite or not a number.
    pub(super) fn numbers(
        &self,
        weights: &Weights,
        info: &TensorInfo,
        name: &str,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<f32>> {
        let size = info.dtype.size() as u64;
        let part = TensorInfo {
            offset: info.offset + range.start as u64 * size,
            len: range.len() as u64 * size,
            ..info.clone()
        };
        let mut numbers = Vec::with_capacity(range.len());
        if !decode(info.dtype, &weights.bytes(&part)?, &mut numbers) {
            return Err(Error::new(
                Kind::Unsupported,
                format!("The tensor {name} holds {:?}, which cannot be converted", info.dtype),
            )
            .remedy("Convert the original model instead: fp32, bf16, fp16 or fp8_scaled"));
        }
        match self.values[..] {
            [] => {}
            [factor] => numbers.iter_mut().for_each(|value| *value *= factor),
            _ => {
                for (value, index) in numbers.iter_mut().zip(range) {
                    *value *= self.values.get(index / self.row).copied().unwrap_or(f32::NAN);
                }
            }
        }
        if numbers.iter().all(|value| value.is_finite()) {
            return Ok(numbers);
        }
        Err(Error::new(Kind::CorruptModel, format!("The tensor {name} contains infinity or NaN"))
            .remedy("Download the model again"))
    }
}
