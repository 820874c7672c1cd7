//! Memory of sessions: packing of the weights, and the arena of intermediate values.

use crate::core::{Bytes, Quantisation, WeightsChoice};

/// Whether ONNX Runtime packs the weight matrices when it makes a session.
///
/// Measured on two cores with 846 MB of weights: packing makes a pass over 2340 tokens 1.15 times and one over 64 tokens
/// 1.3 times as fast, but copies every weight into the memory of the process. In place, weights are pages of their file
/// that the system may evict and reread, so a model larger than the memory still runs. Packed int4 matrices are as large
/// as in the file; in place each is dequantised for every product, and a pass takes 2 to 3 times as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prepack {
    /// A packed copy of each matrix in memory.
    #[default]
    Packed,
    /// The memory-mapped bytes of the file.
    InPlace,
    /// The weights of two blocks at a time, read from the file while a block computes ([`super::StreamedSession`]).
    Streamed,
}

/// What ONNX Runtime does with the memory of intermediate values that are no longer needed.
///
/// Measured in the decoder of the 5B model, whose values are hundreds of megabytes each and differ in size: blocks kept
/// for reuse do not fit the next values and accumulate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arena {
    /// Kept by the session and reused.
    #[default]
    Kept,
    /// Released to the system at once.
    Released,
}

impl Prepack {
    /// The placement for a choice, in one piece: `Auto` packs if that leaves half of the free memory to everything else (a
    /// quarter for int4), and also if the free memory is unknown.
    pub fn choose(
        choice: WeightsChoice,
        weights: Bytes,
        quantisation: Option<Quantisation>,
        free: Option<Bytes>,
    ) -> Self {
        let quarters = if quantisation == Some(Quantisation::Int4) { 3 } else { 2 };
        match (choice, free) {
            (WeightsChoice::InPlace | WeightsChoice::Streamed, _) => Self::InPlace,
            (WeightsChoice::Auto, Some(free)) if weights.0 > free.0 / 4 * quarters => Self::InPlace,
            _ => Self::Packed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_while_half_of_the_memory_stays_free() {
        const GIB: u64 = 1 << 30;
        let (eight, four) = (Some(Quantisation::Int8), Some(Quantisation::Int4));
        for (weights, quantisation, free, expected) in [
            (0, None, Some(0), Prepack::Packed),
            (GIB, None, Some(2 * GIB), Prepack::Packed),
            (GIB + 1, None, Some(2 * GIB), Prepack::InPlace),
            (14 * GIB, eight, Some(20 * GIB), Prepack::InPlace),
            (9 * GIB, four, Some(12 * GIB), Prepack::Packed),
            (9 * GIB, four, Some(11 * GIB), Prepack::InPlace),
            (14 * GIB, eight, Some(64 * GIB), Prepack::Packed),
            (1, four, Some(0), Prepack::InPlace),
            (28 * GIB, None, None, Prepack::Packed),
        ] {
            let chosen = Prepack::choose(WeightsChoice::Auto, Bytes(weights), quantisation, free.map(Bytes));
            assert_eq!(chosen, expected, "{weights} of {free:?}");
        }
        let chosen = |choice| Prepack::choose(choice, Bytes(GIB), None, Some(Bytes(GIB)));
        assert_eq!(chosen(WeightsChoice::Packed), Prepack::Packed);
        assert_eq!(Prepack::choose(WeightsChoice::InPlace, Bytes(0), None, None), Prepack::InPlace);
    }
}
