//! Blocks whose four bits number unevenly spaced values: `IQ4_NL` and `IQ4_XS`.

use super::block_type::half;

/// The values that four bits stand for (`kvalues_iq4nl` in `ggml-common.h`).
const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Writes 32 values of 16 bytes: the first 16 are the low halves.
fn group(bytes: &[u8], scale: f32, values: &mut [f32]) {
    let (low, high) = values.split_at_mut(16);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        *low = scale * f32::from(VALUES[usize::from(byte & 15)]);
        *high = scale * f32::from(VALUES[usize::from(byte >> 4)]);
    }
}

/// `value * scale` for 32 values.
pub(super) fn iq4_nl(block: &[u8; 18], values: &mut [f32; 32]) {
    group(&block[2..], half(block, 0), values);
}

/// `value * (d * (scale - 32))` for 256 values, with a scale of 6 bits for each 32.
pub(super) fn iq4_xs(block: &[u8; 136], values: &mut [f32; 256]) {
    let d = half(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (index, (bytes, values)) in block[8..].chunks_exact(16).zip(values.chunks_exact_mut(32)).enumerate() {
        let low = (block[4 + index / 2] >> (index % 2 * 4)) & 15;
        let scale = u16::from(low) | (((high >> (2 * index)) & 3) << 4);
        group(bytes, d * (f32::from(scale) - 32.0), values);
    }
}
