//! Whether weights are packed for the CPU or read from their files in place.

use crate::core::{Bytes, Quantisation, WeightsChoice};

/// How ONNX Runtime holds constant matrices.
///
/// Measured on two cores with 846 MB of weights: packed, a pass over 2340 tokens takes 1 / 1.15 of the time and one
/// over 64 tokens 1 / 1.3, and every weight is copied into memory of the process. In place, weights stay pages of
/// their file that the system can drop and read again, so that a model larger than the memory still runs. Matrices of
/// 4 bits, packed, take what they take in the file; in place each is unpacked for every product, and a pass takes 2 to 3
/// times as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prepack {
    /// A packed copy of each matrix in memory.
    #[default]
    Packed,
    /// The file's bytes, memory-mapped.
    InPlace,
}

/// What ONNX Runtime does with the memory of values that are not needed any more.
///
/// Measured in the decoder of the 5B model (values of hundreds of megabytes, all of different sizes): kept for reuse,
/// the blocks do not fit the next values and pile up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scratch {
    /// Keeps it with the session, in blocks for later values.
    #[default]
    Kept,
    /// Returns it to the system at once.
    Returned,
}

impl Prepack {
    /// Follows the request's choice. Without one, weights are packed if that leaves half of the `free` memory to
    /// everything else, or a quarter if they are int4; and if the free memory is not known.
    pub fn choose(
        choice: WeightsChoice,
        weights: Bytes,
        quantisation: Option<Quantisation>,
        free: Option<Bytes>,
    ) -> Self {
        let quarters = if quantisation == Some(Quantisation::Int4) { 3 } else { 2 };
        match (choice, free) {
            (WeightsChoice::InPlace, _) => Self::InPlace,
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
        for (weights, integers, free, expected) in [
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
            let chosen = Prepack::choose(WeightsChoice::Auto, Bytes(weights), integers, free.map(Bytes));
            assert_eq!(chosen, expected, "{weights} of {free:?}");
        }
        let chosen = |choice| Prepack::choose(choice, Bytes(GIB), None, Some(Bytes(GIB)));
        assert_eq!(chosen(WeightsChoice::Packed), Prepack::Packed);
        assert_eq!(Prepack::choose(WeightsChoice::InPlace, Bytes(0), None, None), Prepack::InPlace);
    }
}
