//! Quantisation of matrix blocks to 4-bit integers with one scale per block.

use super::relative_error::RelativeError;
use crate::onnx::INT4_BLOCK;

/// Size of a quantised block in bytes.
const BYTES: usize = INT4_BLOCK / 2;
/// Zero point: the stored value that means 0.
const ZERO: f32 = 8.0;
/// Smallest and largest integer.
const MIN: f32 = -8.0;
const MAX: f32 = 7.0;
/// Candidates for the quantised value of the element with the largest magnitude. Values below -8 clip that element and
/// give the others a finer scale.
const CANDIDATES: [f32; 5] = [-8.0, -7.5, -7.0, -8.5, -9.0];
/// 1.5 * 2^23: adding and subtracting it rounds an f32 to the nearest integer, ties to even.
const ROUNDER: f32 = 12_582_912.0;

/// Quantises `block` with the best scale of several candidates; returns the scale and the packed integers.
///
/// Measured on normally distributed values: 8.1 % relative L2 error, against 8.6 % with the scale that maps the largest
/// magnitude to -8. More candidates do not lower it.
pub(super) fn round_block(block: &[f32], error: &mut RelativeError) -> (f32, [u8; BYTES]) {
    let largest = block.iter().fold(0_f32, |a, &b| if b.abs() > a.abs() { b } else { a });
    let mut best = (f32::NEG_INFINITY, 0.0, 0.0);
    for candidate in CANDIDATES {
        let steps = candidate / largest;
        if !steps.is_finite() {
            // all values are zero or nearly zero
            break;
        }
        let (mut product, mut square) = (0_f32, 0_f32);
        for &value in block {
            let integer = integer(value, steps);
            product += value * integer;
            square += integer * integer;
        }
        // the least-squares scale for these integers, and the squared error that it removes
        let scale = product / square;
        let gain = product * scale;
        if gain > best.0 {
            best = (gain, steps, scale);
        }
    }
    let (_, steps, scale) = best;
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(block.chunks_exact(2)) {
        for (value, shift) in pair.iter().zip([0, 4]) {
            let integer = integer(*value, steps);
            error.add(*value, integer * scale);
            *byte |= ((integer + ZERO) as u8) << shift;
        }
    }
    (scale, bytes)
}

/// The integer nearest to `value * steps` in the 4-bit range.
fn integer(value: f32, steps: f32) -> f32 {
    (value * steps).clamp(MIN, MAX) + ROUNDER - ROUNDER
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dequantises a block.
    fn dequantised(scale: f32, bytes: [u8; BYTES]) -> Vec<f32> {
        let integers = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        integers.map(|bits| (f32::from(bits) - 8.0) * scale).collect()
    }

    /// Approximately normally distributed values: sums of twelve uniform ones.
    fn normal_values(count: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| (0..12).map(|_| uniform()).sum()).collect()
    }

    #[test]
    fn representable_blocks_are_quantised_exactly() {
        for sign in [1.0, -1.0] {
            let mut block: Vec<f32> = (0..32).map(|i| sign * 0.25 * ((i * 7 % 16) as f32 - 8.0)).collect();
            let mut error = RelativeError::default();
            let (scale, bytes) = round_block(&block, &mut error);
            assert_eq!(dequantised(scale, bytes), block);
            assert_eq!((scale, error.l2()), (sign * 0.25, 0.0));
            // the first value of a pair is in the low half of the byte
            assert_eq!((bytes[0], bytes[1]), (0x70, 0x5e));
            block.fill(0.0);
            assert_eq!(round_block(&block, &mut error), (0.0, [0x88; BYTES]));
            block[3] = 1e-45;
            assert!(
                dequantised(round_block(&block, &mut error).0, bytes).iter().all(|value| value.is_finite())
            );
        }
    }

    #[test]
    fn the_scale_search_lowers_the_error() {
        let numbers = normal_values(32 * 2000);
        let (mut searched, mut plain) = (RelativeError::default(), RelativeError::default());
        for block in numbers.chunks_exact(32) {
            let (scale, bytes) = round_block(block, &mut searched);
            let mut again = RelativeError::default();
            block.iter().zip(dequantised(scale, bytes)).for_each(|(&exact, found)| again.add(exact, found));
            assert!(again.l2() < 0.3, "{block:?}");
            let largest = block.iter().fold(0_f32, |a, &b| if b.abs() > a.abs() { b } else { a });
            for &value in block {
                plain.add(value, integer(value, MIN / largest) * largest / MIN);
            }
        }
        let (searched, plain) = (searched.l2(), plain.l2());
        assert!(searched < 0.96 * plain && (0.07..0.09).contains(&searched), "{searched} {plain}");
    }
}
