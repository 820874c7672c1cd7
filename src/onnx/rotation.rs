//! Matrices whose inputs were rotated before they were rounded to 8 bits ("convrot" of `ComfyUI`).
//!
//! Each group of inputs of the weight is multiplied by a regular Hadamard matrix `H`: a Kronecker power of a 4x4 matrix,
//! divided by the root of its size. `H` is symmetric and orthogonal, so it undoes itself. Source: `tensor/int8_utils.py` of
//! comfy-kitchen.

use super::builder::{GraphBuilder, Var};
use crate::core::{Error, Kind, Result};

/// Number of inputs that are rotated together where a file does not say it. Published transformers use no other; the
/// published UMT5 uses 64.
pub const ROTATION_GROUP: usize = 256;
/// The 4x4 matrix: -1 on the other diagonal.
const SEED: usize = 4;
/// Base-4 digits of an index in the largest group.
const DIGITS: usize = 4;

/// The sign of an element of the rotation: the product of the seed's elements at all pairs of base-4 digits.
fn is_negative(row: usize, column: usize) -> bool {
    // digits above the size of a group are zero in both and change nothing
    let digits = |number: usize| (0..DIGITS).map(move |digit| number >> (2 * digit) & (SEED - 1));
    digits(row).zip(digits(column)).filter(|(row, column)| row + column == SEED - 1).count() % 2 == 1
}

/// The rotation of groups of `group` inputs, `[group, group]` in row-major order.
fn rotation(group: usize) -> Vec<f32> {
    let size = 1.0 / (group as f32).sqrt();
    let all = (0..group).flat_map(|row| (0..group).map(move |column| (row, column)));
    all.map(|(row, column)| if is_negative(row, column) { -size } else { size }).collect()
}

/// Undoes the rotation of whole groups of `length` inputs.
pub(super) fn unrotate(values: &mut [f32], length: usize) {
    let size = 1.0 / (length as f32).sqrt();
    for group in values.chunks_exact_mut(length) {
        // the seed along one base-4 digit of the index after the other: each row of it has one -1
        for stride in (0..DIGITS).map(|digit| SEED.pow(digit as u32)).take_while(|stride| *stride < length) {
            for first in (0..length).filter(|index| index / stride % SEED == 0) {
                let places = [0, 1, 2, 3].map(|digit| first + digit * stride);
                let rotated = places.map(|place| group[place]);
                let sum: f32 = rotated.iter().sum();
                for (digit, place) in places.into_iter().enumerate() {
                    group[place] = sum - 2.0 * rotated[SEED - 1 - digit];
                }
            }
        }
        for value in group.iter_mut() {
            *value *= size;
        }
    }
}

impl GraphBuilder<'_> {
    /// The matrix `rotated`, `[outputs, inputs]`, without its rotation. ONNX Runtime computes it when it makes the session.
    pub(super) fn unrotated(&mut self, rotated: &Var, dims: &[usize], group: usize) -> Result<Var> {
        let &[outputs, inputs] = dims else {
            return Err(Error::new(Kind::Bug, "A rotated weight is not a matrix"));
        };
        if inputs % group != 0 {
            let message = format!("A matrix with {inputs} inputs cannot be rotated in groups of {group}");
            return Err(Error::new(Kind::CorruptModel, message).remedy("Download the model again"));
        }
        let shape = self.ints(&[(outputs * inputs / group) as i64, group as i64]);
        let groups = self.op("Reshape", &[rotated, &shape], &[]);
        let matrix = self.floats(&rotation(group), &[group, group]);
        let plain = self.op("MatMul", &[&groups, &matrix], &[]);
        let shape = self.ints(&[outputs as i64, inputs as i64]);
        Ok(self.op("Reshape", &[&plain, &shape], &[]))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_group_is_rotated_as_by_the_matrix() {
        for group in [64, ROTATION_GROUP] {
            let mut values: Vec<f32> = (0..group).map(|at| ((at * 37) % 101) as f32 - 50.0).collect();
            let matrix = rotation(group);
            let rows = matrix.chunks_exact(group);
            let expected: Vec<f32> =
                rows.map(|row| row.iter().zip(&values).map(|(a, b)| a * b).sum()).collect();
            let given = values.clone();
            unrotate(&mut values, group);
            for (found, expected) in values.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            }
            unrotate(&mut values, group);
            assert!(values.iter().zip(given).all(|(found, given)| (found - given).abs() < 1e-3), "{group}");
        }
    }

    #[test]
    fn the_rotation_is_that_of_comfy_kitchen() {
        let sign = |value: &f32| if *value < 0.0 { 255 } else { 1 };
        let signs: Vec<u8> = rotation(ROTATION_GROUP).iter().map(sign).collect();
        let digest =
            Sha256::digest(&signs).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        // of numpy's kron of [[1,1,1,-1],[1,1,-1,1],[1,-1,1,1],[-1,1,1,1]] three times with itself, as int8
        assert_eq!(digest, "de75fba5a830070acfbfec9cf3fba8a70ef4bfc05e9e6e4dc1fa9bb994f3bc5d");
    }
}
