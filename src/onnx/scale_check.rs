//! Checks the scales of quantised weights before anything is computed with them.

use super::decode::decode;
use super::quantised::scale_name;
use super::spec::Dtype;
use super::weights::{StoredForm, TensorInfo, Weights};
use crate::core::{Error, Kind, Quantisation, Result};

impl Weights {
    /// Checks the scales of whole weights and of their rows, and returns the names of the weights whose only scale is 0
    /// because all their values are.
    ///
    /// Scales of tiles and blocks are many, and are checked when they are read. There 0 is what a quantiser writes for
    /// values that are too small, as it is for a row of zeros.
    ///
    /// Fails with [`Kind::CorruptModel`] for a scale that is infinite or not a number, and for a scale of 0 beside values
    /// that are not 0, which it would hide.
    pub fn check_scales(&self) -> Result<Vec<String>> {
        let mut zeros = Vec::new();
        for (name, info) in self.iter() {
            let quantisation = self.quantisation_of(name);
            let scale = match &info.form {
                StoredForm::Plain => scale_name(name).and_then(|scale| self.get(&scale).ok()),
                StoredForm::Scaled(form) => form.global.as_ref(),
                StoredForm::Blocks(_) => None,
            };
            let mut scales = Vec::new();
            let Some(scale) = scale.filter(|_| quantisation != Some(Quantisation::Int4)) else { continue };
            if !decode(scale.dtype, &self.bytes(scale)?, &mut scales) {
                continue;
            }
            if let Some(row) = scales.iter().position(|scale| !scale.is_finite()) {
                return Err(self.wrong_scale(name, &scales, row, "cannot be computed with"));
            }
            // `models convert` stores the columns one after the other, and a scale of 0 for zeros only
            if quantisation.is_none() && self.check_zero_scales(name, info, &scales)? {
                zeros.push(name.to_owned());
            }
        }
        Ok(zeros)
    }

    /// Fails if a scale of 0 belongs to values that are not 0; returns whether the only scale is 0.
    fn check_zero_scales(&self, name: &str, info: &TensorInfo, scales: &[f32]) -> Result<bool> {
        let len = info.len / scales.len().max(1) as u64;
        for row in (0..scales.len()).filter(|&row| scales[row] == 0.0) {
            let part = TensorInfo { offset: info.offset + row as u64 * len, len, ..info.clone() };
            if !are_zero(info.dtype, &self.bytes(&part)?) {
                return Err(self.wrong_scale(
                    name,
                    scales,
                    row,
                    "would turn its values, which are not 0, to 0",
                ));
            }
        }
        Ok(scales == [0.0])
    }

    fn wrong_scale(&self, name: &str, scales: &[f32], row: usize, why: &str) -> Error {
        let file = self.get(name).ok().and_then(|info| self.files().get(info.file));
        let place = file.map_or_else(|| self.root(), |file| file.as_path()).display();
        let row_text = if scales.len() > 1 { format!(" for row {row}") } else { String::new() };
        let scale = scales.get(row).copied().unwrap_or(f32::NAN);
        let message = format!("The scale of {name} in {place}{row_text} is {scale}, which {why}");
        Error::new(Kind::CorruptModel, message)
            .remedy("Download the file again. If it stays so, its conversion went wrong: choose another file of the model")
    }
}

/// Whether all values in `bytes` are 0 or -0.
fn are_zero(dtype: Dtype, bytes: &[u8]) -> bool {
    let mask = match dtype {
        Dtype::I8 => 0xFF,
        // two values of four bits, each with a sign
        Dtype::U8 => 0x77,
        Dtype::F8E4M3 | Dtype::F8E5M2 => 0x7F,
        _ => {
            let mut values = Vec::new();
            return decode(dtype, bytes, &mut values) && values.iter().all(|&value| value == 0.0);
        }
    };
    bytes.iter().all(|byte| byte & mask == 0)
}
