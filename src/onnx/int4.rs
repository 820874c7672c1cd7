//! Matrix products with weights quantised to 4 bits.

use super::builder::{Attr, GraphBuilder, Var};
use super::quantised::{INT4_BLOCK, scale_name};
use crate::core::{Quantisation, Result};

/// `accuracy_level` of `MatMulNBits`: computes the product in fp32.
///
/// Level 4 rounds the activations to 8 bits with a scale per block. Measured on two cores with AVX512-VNNI and blocks of
/// 32, it is slower (1.3 times the time of fp32 for 2340 rows, against 1.1) and less accurate.
const IN_FP32: i64 = 1;

impl GraphBuilder<'_> {
    /// `x W^T` for the 4-bit matrix `name`, `[outputs, inputs]`; `x` is `[rows, inputs]`.
    ///
    /// One operation dequantises the matrix while it computes.
    pub(super) fn int4_product(&mut self, x: &Var, name: &str, [outputs, inputs]: [usize; 2]) -> Result<Var> {
        self.check_quantised(Quantisation::Int4, name, [outputs, inputs])?;
        let weights = self.weights();
        let blocks = inputs / INT4_BLOCK;
        let matrix = self.raw_tensor(weights, name, name, &[outputs, blocks, INT4_BLOCK / 2])?;
        let scales = scale_name(name).unwrap_or_default();
        let scales = self.raw_tensor(weights, &scales, &scales, &[outputs, blocks])?;
        let attrs = [
            ("K", Attr::Int(inputs as i64)),
            ("N", Attr::Int(outputs as i64)),
            ("bits", Attr::Int(4)),
            ("block_size", Attr::Int(INT4_BLOCK as i64)),
            ("accuracy_level", Attr::Int(IN_FP32)),
        ];
        Ok(self.contrib("MatMulNBits", &[x, &matrix, &scales], &attrs))
    }
}
