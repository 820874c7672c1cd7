//! Reads the values of a stored tensor as fp32, whatever form they are stored in.

use std::ops::Range;

use super::decode::decode;
use super::quantised::scale_name;
use super::rotation::unrotate;
use super::scaled_form::ScaledForm;
use super::spec::Dtype;
use super::weights::{StoredForm, TensorInfo, Weights};
use crate::core::{Error, Kind, Result};

/// Shape `[outputs, inputs]` of the matrix `name`.
pub fn matrix_shape(weights: &Weights, name: &str) -> Result<[usize; 2]> {
    match weights.get(name)?.shape[..] {
        [outputs, inputs] => Ok([outputs, inputs]),
        _ => Err(Error::new(Kind::Bug, format!("The tensor {name} is not a matrix"))),
    }
}

/// Reader of one tensor.
pub struct RowReader<'w> {
    weights: &'w Weights,
    name: &'w str,
    info: &'w TensorInfo,
    /// Scales beside the tensor: none, one for the whole, one for each row, or one for each tile.
    scales: Vec<f32>,
    /// Values in a row: in everything behind the first dimension.
    row: usize,
}

impl<'w> RowReader<'w> {
    /// The reader of the tensor `name`.
    pub fn new(weights: &'w Weights, name: &'w str) -> Result<Self> {
        let info = weights.get(name)?;
        let row = info.shape.iter().skip(1).product::<usize>().max(1);
        let mut scales = Vec::new();
        if let StoredForm::Scaled(form) = &info.form {
            scales = form.read_scales(weights, info)?;
        } else if let Some(scale) = scale_name(name).filter(|scale| weights.contains(scale)) {
            let info = weights.get(&scale)?;
            decode(info.dtype, &weights.bytes(info)?, &mut scales);
        }
        Ok(Self { weights, name, info, scales, row })
    }

    /// Number of values.
    pub fn num_values(&self) -> usize {
        self.info.shape.iter().product()
    }

    /// Bytes in the file of `values` values.
    pub fn stored_bytes(&self, values: usize) -> u64 {
        match &self.info.form {
            StoredForm::Plain => (values * self.info.dtype.size()) as u64,
            StoredForm::Blocks(kind) => (values / kind.num_values() * kind.bytes()) as u64,
            StoredForm::Scaled(_) => ScaledForm::stored_bytes(self.info, values),
        }
    }

    /// The values in `range` as [`Self::raw_values`] reads them.
    ///
    /// Fails with [`Kind::CorruptModel`] if a value is infinite or not a number.
    pub fn values(&self, range: Range<usize>) -> Result<Vec<f32>> {
        let values = self.raw_values(range)?;
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(Error::new(Kind::CorruptModel, format!("The tensor {} contains infinity or NaN", self.name))
            .remedy("Download the model again"))
    }

    /// The values in `range` in fp32, multiplied by their scales. The range is of whole blocks, and of whole rotated
    /// groups.
    ///
    /// Fails with [`Kind::Unsupported`] for numbers that are not floating point and have no scale.
    pub fn raw_values(&self, range: Range<usize>) -> Result<Vec<f32>> {
        let part = TensorInfo {
            offset: self.info.offset + self.stored_bytes(range.start),
            len: self.stored_bytes(range.len()),
            ..self.info.clone()
        };
        let bytes = self.weights.bytes(&part)?;
        let mut values = Vec::with_capacity(range.len());
        match (&self.info.form, self.info.dtype) {
            (StoredForm::Blocks(kind), _) => kind.dequantise(&bytes, &mut values),
            (StoredForm::Scaled(_), _) => ScaledForm::decode(self.info, &bytes, &mut values),
            (StoredForm::Plain, Dtype::I8) if !self.scales.is_empty() => {
                values.extend(bytes.iter().map(|byte| f32::from(byte.cast_signed())));
            }
            (StoredForm::Plain, dtype) => {
                if !decode(dtype, &bytes, &mut values) {
                    return Err(Error::new(
                        Kind::Unsupported,
                        format!("The tensor {} holds {dtype:?}, which cannot be converted", self.name),
                    )
                    .remedy("Convert the original model instead: fp32, bf16, fp16, fp8_scaled or GGUF"));
                }
            }
        }
        match (&self.info.form, &self.scales[..]) {
            (StoredForm::Scaled(form), scales) => form.scale(self.info, scales, range.start, &mut values),
            (_, []) => {}
            (_, &[factor]) => values.iter_mut().for_each(|value| *value *= factor),
            _ => {
                for (value, index) in values.iter_mut().zip(range) {
                    *value *= self.scales.get(index / self.row).copied().unwrap_or(f32::NAN);
                }
            }
        }
        if let Some(group) = self.info.rotation {
            unrotate(&mut values, group);
        }
        Ok(values)
    }
}
