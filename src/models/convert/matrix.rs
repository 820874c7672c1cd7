//! One matrix in a smaller type, and how far that is from what it was.

use super::decode::{bf16_from, f8e4m3};
use super::int4;
use super::numbers::{Distance, Factors, ROWS, by_rows, sides};
use super::plan::ConversionTarget;
use crate::core::{Bytes, CancelToken, Result};
use crate::models::synth::encode::push;
use crate::onnx::{Dtype, INT4_BLOCK, Weights};

/// Numbers that are read at a time where rows do not matter.
const CHUNK: usize = 1 << 18;
/// Largest 8-bit magnitude in use.
const LARGEST: f32 = 127.0;
/// Largest number of the type `F8_E4M3`.
const LARGEST_F8: f32 = 448.0;

/// A matrix as it is stored, with its scales.
pub(super) struct Scaled {
    pub(super) values: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) relative_l2: f64,
}

/// Reads the matrix `name` a few rows at a time and rounds it to what `target` stores with scales.
pub(super) fn scaled(
    target: ConversionTarget,
    weights: &Weights,
    name: &str,
    cancel: &CancelToken,
    read: &mut dyn FnMut(Bytes),
) -> Result<Scaled> {
    let [outputs, inputs] = sides(weights, name)?;
    let (mut values, mut scales) = (Vec::new(), Vec::new());
    let mut distance = Distance::default();
    let mut turned = Turned { outputs, inputs, rounded: Vec::new() };
    let mut take = |first: usize, numbers: &[f32]| match target {
        ConversionTarget::Int4 => {
            for block in numbers.chunks_exact(INT4_BLOCK) {
                let (scale, bytes) = int4::round_block(block, &mut distance);
                scales.push(scale);
                values.extend(bytes);
            }
        }
        ConversionTarget::Fp8 => {
            let rows = numbers.chunks_exact(inputs);
            scales.extend(rows.map(|row| f8_row(row, &mut values, &mut distance)));
        }
        ConversionTarget::Int8 | ConversionTarget::Bf16 => {
            turned.add(first, numbers, &mut values, &mut scales, &mut distance);
        }
    };
    by_rows(weights, name, cancel, read, &mut take)?;
    Ok(Scaled { values, scales, relative_l2: distance.relative_l2() })
}

/// 8-bit integers in the order `[inputs, outputs]`.
struct Turned {
    outputs: usize,
    inputs: usize,
    rounded: Vec<u8>,
}

impl Turned {
    /// Puts the rows `numbers`, the first of which is row `first`, into their columns.
    fn add(
        &mut self,
        first: usize,
        numbers: &[f32],
        values: &mut Vec<u8>,
        scales: &mut Vec<f32>,
        distance: &mut Distance,
    ) {
        let Self { outputs, inputs, rounded } = self;
        values.resize(*outputs * *inputs, 0);
        rounded.resize(ROWS * *inputs, 0);
        let rows = numbers.len() / *inputs;
        for (row, rounded) in numbers.chunks_exact(*inputs).zip(rounded.chunks_exact_mut(*inputs)) {
            scales.push(round_row(row, rounded, distance));
        }
        for input in 0..*inputs {
            let line = &mut values[input * *outputs + first..][..rows];
            for (value, row) in line.iter_mut().zip(rounded.chunks_exact(*inputs)) {
                *value = row[input];
            }
        }
    }
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

/// Appends one output's row as `F8_E4M3` and returns its scale. A scale of its own for each row costs nothing in a run,
/// and no second look at the matrix here.
fn f8_row(row: &[f32], values: &mut Vec<u8>, distance: &mut Distance) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / LARGEST_F8;
    let first = values.len();
    for &value in row {
        push(values, if scale > 0.0 { value / scale } else { 0.0 }, Dtype::F8E4M3);
    }
    for (&value, &byte) in row.iter().zip(&values[first..]) {
        distance.add(value, f8e4m3(byte) * scale);
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
