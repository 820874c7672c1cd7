//! Whether weights are packed for the processor or read from their files in place.

use crate::core::{Bytes, WeightsChoice};

/// What ONNX Runtime does with constant matrices when a session is made.
///
/// Measured on two cores with 846 MB of weights: packed, a pass over 2340 tokens takes 1 / 1.15 of the time and one
/// over 64 tokens 1 / 1.3, and every weight is copied into memory of the process. In place, weights stay pages of
/// their file that the system can drop and read again, so that a model larger than the memory still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prepack {
    /// A packed copy of each matrix in memory.
    #[default]
    Packed,
    /// The file's own bytes.
    InPlace,
}

/// What ONNX Runtime does with the memory of values between operations once they are not needed.
///
/// Measured in the decoder of the 5B model (values of hundreds of megabytes, all of different sizes): kept for reuse,
/// the blocks do not fit the next values and pile up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scratch {
    /// It stays with the session, in blocks that later values may fit.
    #[default]
    Kept,
    /// It goes back to the system at once.
    Returned,
}

impl Prepack {
    /// What was chosen; if nothing was, the faster one that leaves half of the `free` memory to everything else, and
    /// packed without a number.
    pub fn choose(choice: WeightsChoice, weights: Bytes, free: Option<Bytes>) -> Self {
        match (choice, free) {
            (WeightsChoice::InPlace, _) => Self::InPlace,
            (WeightsChoice::Auto, Some(free)) if weights.0 > free.0 / 2 => Self::InPlace,
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
        for (weights, free, expected) in [
            (0, Some(0), Prepack::Packed),
            (GIB, Some(2 * GIB), Prepack::Packed),
            (GIB + 1, Some(2 * GIB), Prepack::InPlace),
            (14 * GIB, Some(20 * GIB), Prepack::InPlace),
            (14 * GIB, Some(64 * GIB), Prepack::Packed),
            (1, Some(0), Prepack::InPlace),
            (28 * GIB, None, Prepack::Packed),
        ] {
            let chosen = Prepack::choose(WeightsChoice::Auto, Bytes(weights), free.map(Bytes));
            assert_eq!(chosen, expected, "{weights} of {free:?}");
        }
        let chosen = |choice| Prepack::choose(choice, Bytes(GIB), Some(Bytes(GIB)));
        assert_eq!(chosen(WeightsChoice::Packed), Prepack::Packed);
        assert_eq!(Prepack::choose(WeightsChoice::InPlace, Bytes(0), None), Prepack::InPlace);
    }
}
