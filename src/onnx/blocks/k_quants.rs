//! Blocks of 256 values with scales for 16 or 32 of them: `Q2_K` to `Q6_K`.
//!
//! Where a value has 2 bits of a byte, 32 bytes hold 128 values: bits 0 and 1 the first 32, bits 2 and 3 the next.

use super::block_type::half;

/// Number of values in a block.
const VALUES: usize = 256;

/// Two bits of value `at`, in 64 bytes.
fn two_bits(bytes: &[u8], at: usize) -> u8 {
    (bytes[at / 128 * 32 + at % 32] >> (at % 128 / 32 * 2)) & 3
}

/// Four bits of value `at`, in 128 bytes: 32 bytes hold 64 values, the first 32 in the low halves.
fn four_bits(bytes: &[u8], at: usize) -> u8 {
    (bytes[at / 64 * 32 + at % 32] >> (at % 64 / 32 * 4)) & 15
}

/// `two bits * (d * scale) - dmin * minimum`; scale and minimum of 16 values are the halves of a byte.
pub(super) fn q2_k(block: &[u8; 84], values: &mut [f32; VALUES]) {
    let (scales, bits) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half(block, 80), half(block, 82));
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let (scale, minimum) = (d * f32::from(scales[group] & 15), dmin * f32::from(scales[group] >> 4));
        for (at, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(two_bits(bits, group * 16 + at)) - minimum;
        }
    }
}

/// `(three bits - 4) * (d * (scale - 32))`; the third bits are in a mask of 32 bytes, one bit for each 32 values.
pub(super) fn q3_k(block: &[u8; 110], values: &mut [f32; VALUES]) {
    let (mask, bits, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half(block, 108);
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let low = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
        let high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
        let scale = d * (f32::from(low | (high << 4)) - 32.0);
        for (at, value) in values.iter_mut().enumerate() {
            let at = group * 16 + at;
            let third = (mask[at % 32] >> (at / 32)) & 1;
            *value = scale * (f32::from(two_bits(bits, at) | (third << 2)) - 4.0);
        }
    }
}

/// Scale and minimum, 6 bits each, of the group `group` of 8 in the 12 bytes of `Q4_K` and `Q5_K`.
fn scale_and_minimum(bytes: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (bytes[group] & 63, bytes[group + 4] & 63)
    } else {
        let low = bytes[group + 4];
        ((low & 15) | (bytes[group - 4] >> 6 << 4), (low >> 4) | (bytes[group] >> 6 << 4))
    };
    (f32::from(scale), f32::from(minimum))
}

/// `four bits * (d * scale) - dmin * minimum`.
pub(super) fn q4_k(block: &[u8; 144], values: &mut [f32; VALUES]) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let (scales, bits) = (&block[4..16], &block[16..]);
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * scale, dmin * minimum);
        for (at, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(four_bits(bits, group * 32 + at)) - minimum;
        }
    }
}

/// `five bits * (d * scale) - dmin * minimum`; the fifth bits are 32 bytes, one bit for each 32 values.
pub(super) fn q5_k(block: &[u8; 176], values: &mut [f32; VALUES]) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let (scales, fifths, bits) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * scale, dmin * minimum);
        for (at, value) in values.iter_mut().enumerate() {
            let fifth = (fifths[at] >> group) & 1;
            *value = scale * f32::from(four_bits(bits, group * 32 + at) | (fifth << 4)) - minimum;
        }
    }
}

/// `(six bits - 32) * (d * scale)`: four bits in 128 bytes, of which 64 hold 128 values, and two bits in 64 bytes.
pub(super) fn q6_k(block: &[u8; 210], values: &mut [f32; VALUES]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half(block, 208);
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group].cast_signed());
        for (at, value) in values.iter_mut().enumerate() {
            let at = group * 16 + at;
            let four = (low[at / 128 * 64 + at % 64] >> (at % 128 / 64 * 4)) & 15;
            *value = scale * (f32::from(four | (two_bits(high, at) << 4)) - 32.0);
        }
    }
}
