//! One matrix in a smaller type, and how far that is from what it was.

use super::decode::{bf16_from, decode};
use crate::core::{Bytes, CancelToken, Error, Kind, Result};
use crate::onnx::{TensorInfo, Weights};

/// Rows that are read at a time: a cache line of outputs in the turned matrix.
const ROWS: usize = 64;
/// Numbers that are read at a time where rows do not matter.
const CHUNK: usize = 1 << 18;
/// Largest 8-bit magnitude in use.
const LARGEST: f32 = 127.0;

/// A matrix `[inputs, outputs]` with a scale for each output.
pub(super) struct Int8Matrix {
    pub(super) values: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) relative_l2: f64,
}

/// Sums that make a relative distance.
#[derive(Default)]
struct Distance {
    error: f64,
    size: f64,
}

impl Distance {
    fn add(&mut self, exact: f32, rounded: f32) {
        self.error += f64::from(exact - rounded).powi(2);
        self.size += f64::from(exact).powi(2);
    }

    fn relative_l2(&self) -> f64 {
        if self.size > 0.0 { (self.error / self.size).sqrt() } else { 0.0 }
    }
}

/// Reads the matrix `name` a few rows at a time and rounds it to 8-bit integers.
pub(super) fn int8(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
) -> Result<Int8Matrix> {
    let info = weights.get(name)?;
    let &[outputs, inputs] = &info.shape[..] else {
        return Err(Error::new(Kind::Bug, format!("{name} is no matrix")));
    };
    let mut matrix = Int8Matrix {
        values: vec![0; outputs * inputs],
        scales: Vec::with_capacity(outputs),
        relative_l2: 0.0,
    };
    let mut distance = Distance::default();
    let factors = Factors::read(weights, name)?;
    let mut rounded = vec![0_u8; ROWS * inputs];
    for first in (0..outputs).step_by(ROWS) {
        cancel.check()?;
        let rows = ROWS.min(outputs - first);
        let numbers = factors.numbers(weights, info, name, first * inputs..(first + rows) * inputs)?;
        read(Bytes((rows * inputs * info.dtype.size()) as u64));
        for (row, rounded) in numbers.chunks_exact(inputs).zip(rounded.chunks_exact_mut(inputs)) {
            matrix.scales.push(round_row(row, rounded, &mut distance));
        }
        for input in 0..inputs {
            let line = &mut matrix.values[input * outputs + first..][..rows];
            for (value, row) in line.iter_mut().zip(rounded.chunks_exact(inputs)) {
                *value = row[input];
            }
        }
    }
    matrix.relative_l2 = distance.relative_l2();
    Ok(matrix)
}

/// Rounds one output's row and returns its scale.
fn round_row(row: &[f32], rounded: &mut [u8], distance: &mut Distance) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / LARGEST;
    for (&value, rounded) in row.iter().zip(rounded) {
        let integer =
            if scale > 0.0 { (value / scale).round_ties_even().clamp(-LARGEST, LARGEST) } else { 0.0 };
        distance.add(value, integer * scale);
        *rounded = (integer as i8).cast_unsigned();
    }
    scale
}

/// Reads the tensor `name` in pieces and gives `put` each as bf16; returns the relative distance.
pub(super) fn bf16(
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let info = weights.get(name)?;
    let count: usize = info.shape.iter().product();
    let factors = Factors::read(weights, name)?;
    let mut distance = Distance::default();
    let mut bytes = Vec::with_capacity(2 * CHUNK);
    for first in (0..count).step_by(CHUNK) {
        cancel.check()?;
        let numbers = factors.numbers(weights, info, name, first..count.min(first + CHUNK))?;
        bytes.clear();
        for value in numbers {
            let bits = bf16_from(value);
            distance.add(value, f32::from_bits(u32::from(bits) << 16));
            bytes.extend(bits.to_le_bytes());
        }
        put(&bytes)?;
    }
    Ok(distance.relative_l2())
}

/// What stored numbers are multiplied by: nothing, one factor, or one for each row (fp8 with scales).
struct Factors {
    values: Vec<f32>,
    row: usize,
}

impl Factors {
    fn read(weights: &Weights, name: &str) -> Result<Self> {
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
    fn numbers(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rounded_to_their_own_scale() {
        let (mut rounded, mut distance) = ([0; 4], Distance::default());
        let scale = round_row(&[1.27, -1.27, 0.005, 0.0149], &mut rounded, &mut distance);
        assert!((scale - 0.01).abs() < 1e-8);
        assert_eq!(rounded.map(u8::cast_signed), [127, -127, 0, 1]);
        assert!(distance.relative_l2() > 0.003 && distance.relative_l2() < 0.004);
        assert_eq!(round_row(&[0.0; 4], &mut rounded, &mut distance), 0.0);
        assert_eq!(rounded, [0; 4]);
    }
}
