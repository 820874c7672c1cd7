//! Blocks of 32 values with one scale: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1` and `Q8_0`.
//!
//! The scale is an fp16 number, followed in the `_1` types by the minimum. In the 4- and 5-bit types a byte holds two
//! values: the first 16 values are in the low halves. The fifth bits are a 32-bit number, lowest bit first.

use super::block_type::half;

/// Number of values in a block.
const VALUES: usize = 32;

/// `(nibble - 8) * scale`.
pub(super) fn q4_0(block: &[u8; 18], values: &mut [f32; VALUES]) {
    let scale = half(block, 0);
    for (at, value) in values.iter_mut().enumerate() {
        *value = scale * (f32::from(nibble(&block[2..], at)) - 8.0);
    }
}

/// `nibble * scale + minimum`.
pub(super) fn q4_1(block: &[u8; 20], values: &mut [f32; VALUES]) {
    let (scale, minimum) = (half(block, 0), half(block, 2));
    for (at, value) in values.iter_mut().enumerate() {
        *value = scale * f32::from(nibble(&block[4..], at)) + minimum;
    }
}

/// `(five bits - 16) * scale`.
pub(super) fn q5_0(block: &[u8; 22], values: &mut [f32; VALUES]) {
    let scale = half(block, 0);
    for (at, value) in values.iter_mut().enumerate() {
        *value = scale * (f32::from(five_bits(&block[2..], at)) - 16.0);
    }
}

/// `five bits * scale + minimum`.
pub(super) fn q5_1(block: &[u8; 24], values: &mut [f32; VALUES]) {
    let (scale, minimum) = (half(block, 0), half(block, 2));
    for (at, value) in values.iter_mut().enumerate() {
        *value = scale * f32::from(five_bits(&block[4..], at)) + minimum;
    }
}

/// `int8 * scale`.
pub(super) fn q8_0(block: &[u8; 34], values: &mut [f32; VALUES]) {
    let scale = half(block, 0);
    for (value, byte) in values.iter_mut().zip(&block[2..]) {
        *value = f32::from(byte.cast_signed()) * scale;
    }
}

/// The four bits of value `at` of 32.
fn nibble(bytes: &[u8], at: usize) -> u8 {
    let half = VALUES / 2;
    if at < half { bytes[at] & 15 } else { bytes[at - half] >> 4 }
}

/// The five bits of value `at`: fifth bits in the first four bytes, the others behind them.
fn five_bits(bytes: &[u8], at: usize) -> u8 {
    let fifth = (bytes[at / 8] >> (at % 8)) & 1;
    nibble(&bytes[4..], at) | (fifth << 4)
}
