//! The product of rows, rounded as they come, with a matrix of 8-bit integers.

use super::builder::{Attr, GraphBuilder, Var, scale_name};
use crate::core::{Quantisation, Result};

/// Largest 8-bit magnitude; -128 is not used, so that both signs reach equally far.
const LARGEST: f32 = 127.0;
/// What stands for zero in the unsigned rows.
const ZERO_POINT: u8 = 128;
/// Keeps a row of zeros from being divided by zero.
const SMALLEST_ROW: f32 = 1e-30;

impl GraphBuilder<'_> {
    /// `x W^T` for the 8-bit matrix `name`; `x` is `[rows, inputs]` and is rounded to 8 bits with a scale for each row.
    ///
    /// The row form: one scale for the whole of `x` is faster by a fifth, and ten times as wrong when a few channels
    /// are large. Matrices that read the same `x` share its rounding.
    /// `gate`, `[outputs]`, is multiplied into the scales, which saves a pass over the result.
    pub fn int8_product(
        &mut self,
        x: &Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
        gate: Option<&Var>,
    ) -> Result<Var> {
        self.check_integers(Quantisation::Int8, name, [outputs, inputs])?;
        let weights = self.weights();
        let (rows, row_scales) = self.rounded_rows(x);
        let matrix = self.raw_tensor(weights, name, name, &[inputs, outputs])?;
        let scales = scale_name(name).unwrap_or_default();
        let mut scales = self.raw_tensor(weights, &scales, &scales, &[outputs])?;
        if let Some(gate) = gate {
            scales = self.op("Mul", &[&scales, gate], &[]);
        }
        // the scale of a row is not an input of the product, which takes one for all of them
        let (one, zero) = (self.scalar(1.0), self.byte(ZERO_POINT));
        let product = self.contrib("MatMulIntegerToFloat", &[&rows, &matrix, &one, &scales, &zero], &[]);
        Ok(self.op("Mul", &[&product, &row_scales], &[]))
    }

    /// Says that no value of `x` is below `lowest`, a negative number, so that rounding need not look for it.
    pub fn never_below(&mut self, x: &Var, lowest: f32) {
        self.lowest.insert(x.clone(), lowest);
    }

    /// `x` as U8 round 128, and the scale of each row, `[rows, 1]`.
    fn rounded_rows(&mut self, x: &Var) -> (Var, Var) {
        if let Some(known) = self.rounded.get(x) {
            return known.clone();
        }
        let last = self.ints(&[-1]);
        let keep = [("keepdims", Attr::Int(1))];
        // the largest magnitude without a second copy of `x`
        let highest = self.op("ReduceMax", &[x, &last], &keep);
        let largest = if let Some(&lowest) = self.lowest.get(x) {
            let lowest = self.scalar(lowest.abs());
            self.op("Max", &[&highest, &lowest], &[])
        } else {
            let lowest = self.op("ReduceMin", &[x, &last], &keep);
            let lowest = self.op("Neg", &[&lowest], &[]);
            let smallest = self.scalar(SMALLEST_ROW);
            self.op("Max", &[&highest, &lowest, &smallest], &[])
        };
        let step = self.scalar(1.0 / LARGEST);
        let scales = self.op("Mul", &[&largest, &step], &[]);
        let steps = self.op("Squeeze", &[&scales, &last], &[]);
        let shape = self.op("Shape", &[&steps], &[]);
        let zero = self.byte(ZERO_POINT);
        let zeros = self.op("Expand", &[&zero, &shape], &[]);
        // round(x / scale) + 128: three times as fast as the four operations, and the same bits
        let rows = self.op("QuantizeLinear", &[x, &steps, &zeros], &[("axis", Attr::Int(0))]);
        self.rounded.insert(x.clone(), (rows.clone(), scales.clone()));
        (rows, scales)
    }
}
