//! The order of operations: what must not be computed before something else.
//!
//! ONNX Runtime computes what it can as early as it can, and holds the results until they are needed.

use super::builder::{Attr, GraphBuilder, Var};
use super::spec::Dtype;
use crate::core::Provider;

impl GraphBuilder<'_> {
    /// The vector `value`, not known before `x` is: it gets its own shape, computed from that of `x` as 0, which keeps a
    /// dimension.
    pub fn once_known(&mut self, value: &Var, x: &Var) -> Var {
        let rows = self.op("Shape", &[x], &[("start", Attr::Int(0)), ("end", Attr::Int(1))]);
        let zero = self.ints(&[0]);
        let same = self.op("Mul", &[&rows, &zero], &[]);
        self.op("Reshape", &[value, &same], &[])
    }

    /// The vector `value`, with CUDA not known before the device has computed the matrix `x`; elsewhere `value` itself.
    ///
    /// A GPU is given its work long before it does it, and does what it was given even if the run is cancelled. Here the
    /// host waits for one element of `x`, of which an operation that only the CPU has makes a shape.
    pub fn once_computed(&mut self, value: &Var, x: &Var) -> Var {
        if self.provider != Provider::Cuda {
            return value.clone();
        }
        let (zeros, ones) = (self.ints(&[0, 0]), self.ints(&[1, 1]));
        let element = self.op("Slice", &[x, &zeros, &ones], &[]);
        let flat = self.ints(&[1]);
        let element = self.op("Reshape", &[&element, &flat], &[]);
        let element = self.cast(&element, Dtype::I64);
        // of one element, whatever it is, the index of its first like is 0, which keeps a dimension
        let unique = self.op_many("Unique", &[&element], 4, &[]);
        self.op("Reshape", &[value, &unique[2]], &[])
    }
}
