//! The numbers of a stored tensor, a few at a time, and the distance of others from them.

use super::decode::decode;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{TensorInfo, Weights};

/// Rows that are read at a time: a cache line of outputs in a turned matrix.
pub(super) const ROWS: usize = 64;

/// Digits behind the point are so many as are read back from JSON as the same number, which seventeen are not: what goes
/// on after a stop must write what it would have written.
const WRITTEN: f64 = 1e12;

/// Sums that make a relative distance.
#[derive(Default)]
pub(super) struct Distance {
    error: f64,
    size: f64,
}

impl Distance {
    pub(super) fn add(&mut self, exact: f32, rounded: f32) {
        self.error += f64::from(exact - rounded).powi(2);
        self.size += f64::from(exact).powi(2);
    }

    pub(super) fn relative_l2(&self) -> f64 {
        let exact = if self.size > 0.0 { (self.error / self.size).sqrt() } else { 0.0 };
        (exact * WRITTEN).round() / WRITTEN
    }
}

/// Outputs and inputs of the matrix `name`.
pub(super) fn sides(weights: &Weights, name: &str) -> Result<[usize; 2]> {
    match weights.get(name)?.shape[..] {
        [outputs, inputs] => Ok([outputs, inputs]),
        _ => Err(Error::new(Kind::Bug, format!("{name} is no matrix"))),
    }
}

/// Reads the matrix `name` and gives `take` a few whole rows at a time, with the number of the first. `read` hears the
/// bytes.
pub(super) fn by_rows(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
    take: &mut dyn FnMut(usize, &[f32]),
) -> Result<()> {
    let [outputs, inputs] = sides(weights, name)?;
    let info = weights.get(name)?;
    let factors = Factors::read(weights, name)?;
    for first in (0..outputs).step_by(ROWS) {
        cancel.check()?;
        let rows = ROWS.min(outputs - first);
        let numbers = factors.numbers(weights, info, name, first * inputs..(first + rows) * inputs)?;
        read(Bytes((rows * inputs * info.dtype.size()) as u64));
        take(first, &numbers);
    }
    Ok(())
}

/// What stored numbers are multiplied by: nothing, one factor, or one for each row (fp8 with scales).
pub(super) struct Factors {
    values: Vec<f32>,
    row: usize,
}

impl Factors {
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

    /// The numbers in `range` of a tensor, counted over all its rows.
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
            .remedy("Convert the model in fp32, bf16, fp16 or fp8_scaled that it was made from"));
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
        Err(Error::new(Kind::CorruptModel, format!("The tensor {name} holds a value that is no number"))
            .remedy("Fetch the model again"))
    }
}
