//! Quantised matrices: their layout in a safetensors file, and matrix products with them.
//!
//! int8: a matrix `X.weight` of shape `[outputs, inputs]` is stored as I8 `[inputs, outputs]`, the order in which the
//! product reads it, with `X.scale_weight`, F32 `[outputs]`: `weight[o, i] = X.weight[i, o] * X.scale_weight[o]`.
//!
//! int4: it is stored as U8 `[outputs, inputs / 32, 16]`, as `com.microsoft.MatMulNBits` reads it, with
//! `X.scale_weight`, F32 `[outputs, inputs / 32]`. A byte holds two inputs, the first in its low half, with the zero
//! point 8: `weight[o, 32 b + i] = (four bits - 8) * X.scale_weight[o, b]`.
//!
//! The file's metadata names the layout. [`Weights`] shows the logical shape of a matrix, not the stored one.

use super::builder::{GraphBuilder, Var};
use super::compute_type::ComputeType;
use super::spec::Dtype;
use super::weights::Weights;
use crate::core::{Error, Kind, Quantisation, Result};

/// Metadata key of the layout of a file's quantised matrices.
pub const QUANTIZATION_KEY: &str = "quantization";
/// Number of inputs that share a scale in the int4 layout.
pub const INT4_BLOCK: usize = 32;

/// Largest int8 magnitude; -128 is unused, so that the range is symmetric.
const INT8_MAX: f32 = 127.0;
/// 1.5 * 2^23: adding and subtracting it rounds an f32 to the nearest integer, ties to even.
const ROUNDER: f32 = 12_582_912.0;

const INT8: &str = "int8 [inputs, outputs] with scale_weight [outputs]";
const INT4: &str = "int4 [outputs, inputs / 32, 16] with scale_weight [outputs, inputs / 32]";

/// Name of the scales of the matrix `name` in quantised and "fp8 scaled" checkpoints.
pub fn scale_of(name: &str) -> String {
    format!("{}.scale_weight", name.strip_suffix(".weight").unwrap_or(name))
}

/// Name of the scales of the weight `name`; none if it is not a weight.
pub(super) fn scale_name(name: &str) -> Option<String> {
    name.ends_with(".weight").then(|| scale_of(name))
}

/// The metadata value under [`QUANTIZATION_KEY`] of a file with matrices quantised as `quantisation`.
pub fn quantization_layout(quantisation: Quantisation) -> &'static str {
    match quantisation {
        Quantisation::Int8 => INT8,
        Quantisation::Int4 => INT4,
    }
}

/// Quantises the weights of one output to int8 and returns their scale.
pub fn int8_row(row: &[f32], rounded: &mut [u8]) -> f32 {
    let largest = row.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / INT8_MAX;
    if scale == 0.0 {
        rounded.fill(0);
        return scale;
    }
    for (&value, rounded) in row.iter().zip(rounded) {
        let integer = (value / scale).clamp(-INT8_MAX, INT8_MAX) + ROUNDER - ROUNDER;
        *rounded = (integer as i8).cast_unsigned();
    }
    scale
}

/// The quantisation of a file with the metadata value `layout`; `None` for unknown layouts.
pub(super) fn quantisation_from_layout(layout: Option<&String>) -> Option<Quantisation> {
    [Quantisation::Int8, Quantisation::Int4]
        .into_iter()
        .find(|quantisation| layout.is_some_and(|layout| layout == quantization_layout(*quantisation)))
}

/// The logical shape of a matrix with the shape `stored` in a file quantised as `quantisation`.
pub(super) fn logical_shape(
    quantisation: Option<Quantisation>,
    dtype: Dtype,
    stored: &[usize],
) -> Vec<usize> {
    match (quantisation, dtype, stored) {
        (Some(Quantisation::Int8), Dtype::I8, &[inputs, outputs]) => vec![outputs, inputs],
        (Some(Quantisation::Int4), Dtype::U8, &[outputs, blocks, bytes]) if bytes * 2 == INT4_BLOCK => {
            vec![outputs, blocks * INT4_BLOCK]
        }
        _ => stored.to_vec(),
    }
}

impl Weights {
    /// The quantisation of the matrix `name`; `None` if it is not quantised.
    pub fn quantisation_of(&self, name: &str) -> Option<Quantisation> {
        let quantisation = quantisation_from_layout(self.metadata().get(QUANTIZATION_KEY))?;
        let dtype = match quantisation {
            Quantisation::Int8 => Dtype::I8,
            Quantisation::Int4 => Dtype::U8,
        };
        let is_matrix = self.get(name).is_ok_and(|info| info.dtype == dtype && info.shape.len() == 2);
        let has_scales = scale_name(name).is_some_and(|scale| self.contains(&scale));
        (is_matrix && has_scales).then_some(quantisation)
    }

    /// The quantisation of its matrices; `None` if none is quantised.
    pub fn quantisation(&self) -> Option<Quantisation> {
        self.iter().find_map(|(name, _)| self.quantisation_of(name))
    }
}

impl GraphBuilder<'_> {
    /// `x W^T` for the quantised matrix `name`, `[outputs, inputs]`; `x` is `[rows, inputs]`.
    ///
    /// `None` if the matrix is not quantised.
    pub fn quantised_product(
        &mut self,
        x: &Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Option<Var>> {
        let Some(quantisation) = self.weights().quantisation_of(name) else { return Ok(None) };
        Ok(Some(match quantisation {
            Quantisation::Int8 if !self.is_for_cpu() => {
                self.dequantised_product(x, name, [outputs, inputs])?
            }
            Quantisation::Int8 => self.int8_product(x, name, [outputs, inputs], None)?,
            Quantisation::Int4 => self.int4_product(x, name, [outputs, inputs])?,
        }))
    }

    /// Checks that the matrix `name` has this shape, `[outputs, inputs]`, and that the section computes in fp32.
    pub(super) fn check_quantised(
        &self,
        quantisation: Quantisation,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<()> {
        self.check_shape(name, [outputs, inputs])?;
        if self.section_compute() != ComputeType::Fp32 {
            let message =
                format!("{} weights cannot be computed in {}", quantisation.word(), self.section_compute());
            return Err(Error::new(Kind::Unsupported, message)
                .remedy("Use the provider cpu, or the model it was converted from")
                .field("precision"));
        }
        Ok(())
    }

    /// Checks that the quantised matrix `name` has this shape, `[outputs, inputs]`.
    pub(super) fn check_shape(&self, name: &str, [outputs, inputs]: [usize; 2]) -> Result<()> {
        let info = self.weights().get(name)?;
        if info.shape != [outputs, inputs] {
            return Err(Error::new(
                Kind::CorruptModel,
                format!(
                    "The tensor {name} has the shape {:?}, but [{outputs}, {inputs}] is expected",
                    info.shape
                ),
            )
            .remedy("The weights do not match the config.json beside them; convert the model again"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_scale() {
        let mut rounded = [0; 4];
        let scale = int8_row(&[1.27, -1.27, 0.005, 0.0149], &mut rounded);
        assert!((scale - 0.01).abs() < 1e-8);
        assert_eq!(rounded.map(u8::cast_signed), [127, -127, 0, 1]);
        assert_eq!(int8_row(&[0.0; 4], &mut rounded), 0.0);
        assert_eq!(rounded, [0; 4]);
    }
}
