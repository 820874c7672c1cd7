//! Which cells of the space of all axes are made.

use std::collections::BTreeSet;

use rand_mt::Mt64;
use serde::{Deserialize, Serialize};

/// Attempts for each cell that is wanted: two points of a space with few values often fall into the same cell.
const ATTEMPTS: u32 = 50;
/// Dimensions of one set of `sobol_burley`.
const DIMENSIONS: u32 = sobol_burley::NUM_DIMENSIONS;

/// How cells are chosen from the space of all axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every combination of values.
    #[default]
    Grid,
    /// So many random combinations.
    Random {
        /// Number of cells.
        count: u32,
        /// Seed of the generator.
        #[serde(default)]
        seed: u32,
    },
    /// So many combinations that cover the space evenly (Owen-scrambled Sobol sequence).
    Sobol {
        /// Number of cells.
        count: u32,
        /// Seed of the scrambling.
        #[serde(default)]
        seed: u32,
    },
}

impl Sampling {
    /// The chosen places in a space with `sizes` values on its axes, each of them once.
    pub(super) fn places(self, sizes: &[usize]) -> Vec<Vec<u32>> {
        match self {
            Self::Grid => grid(sizes),
            Self::Random { count, seed } => {
                let mut random = Mt64::new(u64::from(seed));
                distinct(count, sizes, |_, _| (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
            }
            Self::Sobol { count, seed } => distinct(count, sizes, |point, axis| {
                f64::from(sobol_burley::sample(
                    point,
                    axis % DIMENSIONS,
                    seed.wrapping_add(axis / DIMENSIONS),
                ))
            }),
        }
    }
}

/// Every combination; the last axis changes fastest.
fn grid(sizes: &[usize]) -> Vec<Vec<u32>> {
    let mut places = vec![Vec::new()];
    for size in sizes {
        let next = |place: &Vec<u32>| {
            let place = place.clone();
            (0..*size as u32).map(move |at| [place.as_slice(), &[at]].concat())
        };
        places = places.iter().flat_map(next).collect();
    }
    places
}

/// Different places by points in the unit cube; `coordinate` gives one coordinate of a point.
fn distinct(count: u32, sizes: &[usize], mut coordinate: impl FnMut(u32, u32) -> f64) -> Vec<Vec<u32>> {
    let (mut known, mut places) = (BTreeSet::new(), Vec::new());
    // the sequence of sobol_burley has 2^16 points
    for point in 0..count.saturating_mul(ATTEMPTS).min(1 << 16) {
        if places.len() >= count as usize {
            break;
        }
        let at = |(axis, size): (u32, &usize)| {
            ((coordinate(point, axis) * *size as f64) as u32).min((*size as u32).saturating_sub(1))
        };
        let place: Vec<u32> = (0..).zip(sizes).map(at).collect();
        if known.insert(place.clone()) {
            places.push(place);
        }
    }
    places
}
