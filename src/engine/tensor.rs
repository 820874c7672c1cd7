//! Values that go into a graph and come out of it.

use ndarray::{ArrayD, ArrayViewD};
use ort::value::DynValue;

use super::fault;
use crate::core::Result;

/// A result that ONNX Runtime owns; it can go into the next call without a copy.
pub struct Tensor(pub(super) DynValue);

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(dims: &[usize]) -> Result<Self> {
        let value = ort::value::Tensor::from_array(ArrayD::<f32>::zeros(dims))
            .map_err(|error| fault::in_run(&error))?;
        Ok(Self(value.into_dyn()))
    }

    /// A view of its fp32 elements.
    pub fn view(&self) -> Result<ArrayViewD<'_, f32>> {
        self.0.try_extract_array::<f32>().map_err(|error| fault::in_run(&error))
    }
}

/// One input of a call.
pub enum Input<'a> {
    /// fp32 elements in host memory, row-major.
    F32(ArrayViewD<'a, f32>),
    /// Integers in host memory, row-major.
    I64(ArrayViewD<'a, i64>),
    /// A result of an earlier call.
    Tensor(&'a Tensor),
}
