//! Matrices in integers: how they lie in a file, and which are such.
//!
//! 8 bits: a matrix `X.weight` of shape `[outputs, inputs]` is stored as I8 `[inputs, outputs]`, the order in which the
//! product reads it, beside `X.scale_weight`, F32 `[outputs]`: `weight[o, i] = X.weight[i, o] * X.scale_weight[o]`.
//!
//! 4 bits: it is stored as U8 `[outputs, inputs / 32, 16]`, as `com.microsoft.MatMulNBits` reads it, beside
//! `X.scale_weight`, F32 `[outputs, inputs / 32]`. A byte holds two inputs, the first in its low half, each with 8 for
//! zero: `weight[o, 32 b + i] = (four bits - 8) * X.scale_weight[o, b]`.
//!
//! The file says so in its metadata. [`Weights`] shows the shape that the matrix has, not the stored one.

use super::builder::{GraphBuilder, Var, scale_name};
use super::compute_type::ComputeType;
use super::spec::Dtype;
use super::weights::Weights;
use crate::core::{Error, Kind, Quantisation, Result};

/// Key of a file's metadata that says how its integer matrices lie.
pub const QUANTIZATION_KEY: &str = "quantization";
/// Inputs that share a scale in the 4-bit form.
pub const INT4_BLOCK: usize = 32;

const INT8: &str = "int8 [inputs, outputs] with scale_weight [outputs]";
const INT4: &str = "int4 [outputs, inputs / 32, 16] with scale_weight [outputs, inputs / 32]";

/// What the metadata of a file with such matrices says under [`QUANTIZATION_KEY`].
pub fn quantization(integers: Quantisation) -> &'static str {
    match integers {
        Quantisation::Int8 => INT8,
        Quantisation::Int4 => INT4,
    }
}

/// The integers that a file is of whose metadata says `form`; others keep integers too, and lay them out in their own ways.
pub(super) fn integers_told(form: Option<&String>) -> Option<Quantisation> {
    [Quantisation::Int8, Quantisation::Int4]
        .into_iter()
        .find(|integers| form.is_some_and(|form| form == quantization(*integers)))
}

/// The shape of the matrix that is `stored` in a file of this form.
pub(super) fn shown_shape(integers: Option<Quantisation>, dtype: Dtype, stored: &[usize]) -> Vec<usize> {
    match (integers, dtype, stored) {
        (Some(Quantisation::Int8), Dtype::I8, &[inputs, outputs]) => vec![outputs, inputs],
        (Some(Quantisation::Int4), Dtype::U8, &[outputs, blocks, bytes]) if bytes * 2 == INT4_BLOCK => {
            vec![outputs, blocks * INT4_BLOCK]
        }
        _ => stored.to_vec(),
    }
}

impl Weights {
    /// The integers that the matrix `name` is stored as, if it is.
    pub fn integers_of(&self, name: &str) -> Option<Quantisation> {
        let integers = integers_told(self.metadata().get(QUANTIZATION_KEY))?;
        let dtype = match integers {
            Quantisation::Int8 => Dtype::I8,
            Quantisation::Int4 => Dtype::U8,
        };
        let is_such = self.get(name).is_ok_and(|info| info.dtype == dtype && info.shape.len() == 2);
        let has_scales = scale_name(name).is_some_and(|scale| self.contains(&scale));
        (is_such && has_scales).then_some(integers)
    }

    /// The integers that its matrices are stored as, if any are.
    pub fn integers(&self) -> Option<Quantisation> {
        self.iter().find_map(|(name, _)| self.integers_of(name))
    }
}

impl GraphBuilder<'_> {
    /// `x W^T` for the matrix `name` of integers; `x` is `[rows, inputs]`. None if it is of floats.
    pub fn integer_product(
        &mut self,
        x: &Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Option<Var>> {
        let Some(integers) = self.weights().integers_of(name) else { return Ok(None) };
        Ok(Some(match integers {
            Quantisation::Int8 => self.int8_product(x, name, [outputs, inputs], None)?,
            Quantisation::Int4 => self.int4_product(x, name, [outputs, inputs])?,
        }))
    }

    /// Fails if the matrix `name` of `integers` has another shape, or the part computes in another type.
    pub(super) fn check_integers(&self, integers: Quantisation, name: &str, shape: [usize; 2]) -> Result<()> {
        let info = self.weights().get(name)?;
        let [outputs, inputs] = shape;
        if info.shape != [outputs, inputs] {
            return Err(Error::new(
                Kind::CorruptModel,
                format!(
                    "The tensor {name} has the shape {:?} where [{outputs}, {inputs}] is expected",
                    info.shape
                ),
            )
            .remedy(
                "The weights and the config.json beside them do not belong together; convert the model again",
            ));
        }
        if self.part_compute() != ComputeType::Fp32 {
            let message =
                format!("{}-bit matrices are not computed in {}", integers.bits(), self.part_compute());
            return Err(Error::new(Kind::Unsupported, message)
                .remedy("Use the provider cpu, or the model it was converted from")
                .field("precision"));
        }
        Ok(())
    }
}
