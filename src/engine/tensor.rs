//! Input and output values of graphs.

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD};
use ort::value::DynValue;

use super::in_place::owned;
use super::ort_error;
use crate::core::Result;
use crate::onnx::Dtype;

/// An output owned by ONNX Runtime; can be an input of the next run without a copy.
pub struct Tensor(pub(super) DynValue);

impl Tensor {
    /// A tensor of zeros with shape `dims`, of floating point of 16 bits or of fp32.
    pub fn zeros(dtype: Dtype, dims: &[usize]) -> Result<Self> {
        match dtype {
            Dtype::Bf16 => owned(ArrayD::<bf16>::zeros(dims)),
            Dtype::F16 => owned(ArrayD::<f16>::zeros(dims)),
            _ => owned(ArrayD::<f32>::zeros(dims)),
        }
        .map(Self)
    }

    /// The size of each dimension; `None` for what is no tensor.
    pub(super) fn dims(&self) -> Option<&[i64]> {
        self.0.dtype().tensor_shape().map(|shape| &shape[..])
    }

    /// A view of the elements; fails if they are not fp32.
    pub fn view(&self) -> Result<ArrayViewD<'_, f32>> {
        self.0.try_extract_array::<f32>().map_err(|error| ort_error::run_error(&error))
    }

    /// The elements in fp32; fails if they are not floating point of 16 or 32 bits.
    pub fn to_fp32(&self) -> Result<ArrayD<f32>> {
        if let Ok(values) = self.0.try_extract_array::<f16>() {
            return Ok(values.mapv(f16::to_f32));
        }
        if let Ok(values) = self.0.try_extract_array::<bf16>() {
            return Ok(values.mapv(bf16::to_f32));
        }
        Ok(self.view()?.to_owned())
    }

    /// A view of the elements if they are uint8.
    pub fn bytes(&self) -> Option<ArrayViewD<'_, u8>> {
        self.0.try_extract_array::<u8>().ok()
    }
}

/// An input of a run.
#[derive(Clone)]
pub enum Input<'a> {
    /// An fp32 array in host memory.
    F32(ArrayViewD<'a, f32>),
    /// An int64 array in host memory.
    I64(ArrayViewD<'a, i64>),
    /// An output of an earlier run.
    Tensor(&'a Tensor),
}
