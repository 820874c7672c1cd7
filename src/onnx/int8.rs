//! Matrix products with weights quantised to 8 bits and activations rounded to 8 bits, for the CPU.

use super::builder::{Attr, GraphBuilder, Var};
use super::quantised::scale_name;
use super::spec::Dtype;
use crate::core::{Quantisation, Result};

/// Largest 8-bit magnitude; -128 is unused, so that the range is symmetric.
const LARGEST: f32 = 127.0;
/// Zero point of the unsigned activations.
const ZERO_POINT: u8 = 128;
/// Lower bound of a row's magnitude, which avoids a division by zero.
const SMALLEST_ROW: f32 = 1e-30;

/// Activations that are rounded to 8 bits.
#[derive(Clone)]
pub(super) struct RoundedRows {
    /// uint8 with the zero point 128.
    rows: Var,
    /// Scale of each row, `[rows, 1]`.
    scales: Var,
    /// The zero point of each row, `[rows]`.
    zeros: Var,
}

impl GraphBuilder<'_> {
    /// `x W^T` for the 8-bit matrix `name`, `[outputs, inputs]`; `x` is `[rows, inputs]` and is rounded to 8 bits.
    ///
    /// Each row of `x` has its own scale: a single scale would be faster by a fifth, but ten times less accurate when a
    /// few channels are large. Products of the same `x` share its rounding. `gate`, `[outputs]`, is multiplied into
    /// the scales, which saves a pass over the result.
    pub fn int8_product(
        &mut self,
        x: &Var,
        name: &str,
        [outputs, inputs]: [usize; 2],
        gate: Option<&Var>,
    ) -> Result<Var> {
        self.check_quantised(Quantisation::Int8, name, [outputs, inputs])?;
        let weights = self.weights();
        let rounded = self.rounded_rows(x);
        let matrix = self.raw_tensor(weights, name, name, &[inputs, outputs])?;
        let scales = scale_name(name).unwrap_or_default();
        let mut scales = self.raw_tensor(weights, &scales, &scales, &[outputs])?;
        if let Some(gate) = gate {
            scales = self.op("Mul", &[&scales, gate], &[]);
        }
        // the operation supports only one scale for all rows, so the scales of the rows are multiplied afterwards
        let (one, zero) = (self.scalar(1.0), self.byte(ZERO_POINT));
        let RoundedRows { rows, scales: row_scales, zeros } = rounded;
        let product = if self.clips_signed_int8 {
            let matrix = self.unsigned(&matrix, &zeros);
            self.contrib("MatMulIntegerToFloat", &[&rows, &matrix, &one, &scales, &zero, &zero], &[])
        } else {
            self.contrib("MatMulIntegerToFloat", &[&rows, &matrix, &one, &scales, &zero], &[])
        };
        Ok(self.op("Mul", &[&product, &row_scales], &[]))
    }

    /// The int8 `matrix` as uint8 with the zero point 128, a copy that lasts as long as its product.
    ///
    /// The highest bit of each value is flipped with a number that only a run knows (the first of `zeros`), so that ONNX
    /// Runtime keeps no flipped copy of weights that are read in place.
    fn unsigned(&mut self, matrix: &Var, zeros: &Var) -> Var {
        let first = self.ints(&[0]);
        let bit = self.op("Gather", &[zeros, &first], &[("axis", Attr::Int(0))]);
        let bit = self.cast(&bit, Dtype::I8);
        let flipped = self.op("BitwiseXor", &[matrix, &bit], &[]);
        self.cast(&flipped, Dtype::U8)
    }

    /// Declares that no value of `x` is below `bound`, a negative number, which saves a search when `x` is rounded.
    pub fn set_lower_bound(&mut self, x: &Var, bound: f32) {
        self.lower_bounds.insert(x.clone(), bound);
    }

    /// `x` as uint8, with the scale of each row.
    fn rounded_rows(&mut self, x: &Var) -> RoundedRows {
        if let Some(known) = self.rounded.get(x) {
            return known.clone();
        }
        let last = self.ints(&[-1]);
        let keep = [("keepdims", Attr::Int(1))];
        // the largest magnitude, without a copy of `x` for its absolute values
        let highest = self.op("ReduceMax", &[x, &last], &keep);
        let largest = if let Some(&lowest) = self.lower_bounds.get(x) {
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
        // round(x / scale) + 128: three times as fast as four separate operations, with identical results
        let rows = self.op("QuantizeLinear", &[x, &steps, &zeros], &[("axis", Attr::Int(0))]);
        let rounded = RoundedRows { rows, scales, zeros };
        self.rounded.insert(x.clone(), rounded.clone());
        rounded
    }
}
