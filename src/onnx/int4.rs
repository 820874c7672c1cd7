//! The product of rows with a matrix of 4-bit integers.

use super::builder::{Attr, GraphBuilder, Var, scale_name};
use super::quantised::INT4_BLOCK;
use crate::core::{Quantisation, Result};

/// `accuracy_level`: the product is computed in fp32.
///
/// Level 4 rounds the rows to 8 bits, with a scale for each block. Measured on two cores with AVX512-VNNI, it takes
/// longer with blocks of 32 (1.3 times fp32's time for 2340 rows, against 1.1) and is no longer exact.
const IN_FP32: i64 = 1;

impl GraphBuilder<'_> {
    /// `x W^T` for the 4-bit matrix `name`; `x` is `[rows, inputs]`. One operation unpacks the matrix as it computes.
    pub(super) fn int4_product(&mut self, x: &Var, name: &str, [outputs, inputs]: [usize; 2]) -> Result<Var> {
        self.check_integers(Quantisation::Int4, name, [outputs, inputs])?;
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
