//! The block types, their sizes and their decoders.

use super::super::decode::f16;
use super::{four_bit, k_quants, legacy};

/// Type of a block of quantised values. The names are ggml's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockType {
    /// `Q4_0`: 4 bits and a scale.
    Q40,
    /// `Q4_1`: 4 bits, a scale and a minimum.
    Q41,
    /// `Q5_0`: 5 bits and a scale.
    Q50,
    /// `Q5_1`: 5 bits, a scale and a minimum.
    Q51,
    /// `Q8_0`: 8 bits and a scale.
    Q80,
    /// `Q2_K`: 2 bits, with 16 scales and minimums of 4 bits.
    Q2K,
    /// `Q3_K`: 3 bits, with 16 scales of 6 bits.
    Q3K,
    /// `Q4_K`: 4 bits, with 8 scales and minimums of 6 bits.
    Q4K,
    /// `Q5_K`: 5 bits, with 8 scales and minimums of 6 bits.
    Q5K,
    /// `Q6_K`: 6 bits, with 16 scales of 8 bits.
    Q6K,
    /// `IQ4_NL`: 4 bits that number unevenly spaced values.
    Iq4Nl,
    /// `IQ4_XS`: like `IQ4_NL`, with 8 scales of 6 bits.
    Iq4Xs,
}

impl BlockType {
    /// All types.
    pub const ALL: [Self; 12] = [
        Self::Q40,
        Self::Q41,
        Self::Q50,
        Self::Q51,
        Self::Q80,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
    ];

    /// Its name, as in file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Q40 => "Q4_0",
            Self::Q41 => "Q4_1",
            Self::Q50 => "Q5_0",
            Self::Q51 => "Q5_1",
            Self::Q80 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Iq4Nl => "IQ4_NL",
            Self::Iq4Xs => "IQ4_XS",
        }
    }

    /// Number of values in a block.
    pub fn num_values(self) -> usize {
        match self {
            Self::Q40 | Self::Q41 | Self::Q50 | Self::Q51 | Self::Q80 | Self::Iq4Nl => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::Iq4Xs => 256,
        }
    }

    /// Size of a block in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q40 | Self::Iq4Nl => 18,
            Self::Q41 => 20,
            Self::Q50 => 22,
            Self::Q51 => 24,
            Self::Q80 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Iq4Xs => 136,
        }
    }

    /// Appends the values of whole blocks.
    pub fn dequantise(self, blocks: &[u8], values: &mut Vec<f32>) {
        let start = values.len();
        values.resize(start + blocks.len() / self.bytes() * self.num_values(), 0.0);
        let values = &mut values[start..];
        match self {
            Self::Q40 => each(blocks, values, legacy::q4_0),
            Self::Q41 => each(blocks, values, legacy::q4_1),
            Self::Q50 => each(blocks, values, legacy::q5_0),
            Self::Q51 => each(blocks, values, legacy::q5_1),
            Self::Q80 => each(blocks, values, legacy::q8_0),
            Self::Q2K => each(blocks, values, k_quants::q2_k),
            Self::Q3K => each(blocks, values, k_quants::q3_k),
            Self::Q4K => each(blocks, values, k_quants::q4_k),
            Self::Q5K => each(blocks, values, k_quants::q5_k),
            Self::Q6K => each(blocks, values, k_quants::q6_k),
            Self::Iq4Nl => each(blocks, values, four_bit::iq4_nl),
            Self::Iq4Xs => each(blocks, values, four_bit::iq4_xs),
        }
    }
}

fn each<const BYTES: usize, const VALUES: usize>(
    blocks: &[u8],
    values: &mut [f32],
    decode: fn(&[u8; BYTES], &mut [f32; VALUES]),
) {
    let (blocks, values) = (blocks.as_chunks().0, values.as_chunks_mut().0);
    blocks.iter().zip(values).for_each(|(block, values)| decode(block, values));
}

/// The fp16 number at `at` in a block.
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    f16(u16::from_le_bytes([block[at], block[at + 1]]))
}
