//! The value that goes through the blocks of a streamed network, made in the memory of the blocks.

use ort::memory::Allocator;
use ort::value::DynTensor;

use super::ort_error;
use super::session::element_type;
use super::tensor::Input;
use crate::core::Result;
use crate::onnx::{Dim, Graph, GraphChain, ValueSpec};

/// What the first part of a chain gives to its first block.
pub(super) struct ChainedValue {
    spec: ValueSpec,
    /// The inputs of the first part, whose dimensions have names.
    inputs: Vec<ValueSpec>,
}

impl ChainedValue {
    /// That of `first`; `None` if it gives none.
    pub(super) fn of(first: &Graph) -> Option<Self> {
        let spec = first.spec.outputs.iter().find(|output| output.name == GraphChain::CHAINED)?.clone();
        Some(Self { spec, inputs: first.spec.inputs.clone() })
    }

    /// Memory for it from `allocator`, of the size that it has with these inputs; `None` if they do not say it.
    pub(super) fn allocate(
        &self,
        allocator: &Allocator,
        given: &[(&str, Input<'_>)],
    ) -> Result<Option<DynTensor>> {
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(*size as i64),
            Dim::Named(_) => self.inputs.iter().find_map(|spec| {
                let axis = spec.dims.iter().position(|other| other == dim)?;
                let (_, input) = given.iter().find(|(name, _)| *name == spec.name)?;
                let size = |shape: &[usize]| shape.get(axis).map(|size| *size as i64);
                match input {
                    Input::F32(view) => size(view.shape()),
                    Input::I64(view) => size(view.shape()),
                    Input::Tensor(tensor) => tensor.dims()?.get(axis).copied(),
                }
            }),
        };
        let Some(dims) = self.spec.dims.iter().map(size).collect::<Option<Vec<_>>>() else { return Ok(None) };
        DynTensor::new(allocator, element_type(self.spec.dtype), dims)
            .map(Some)
            .map_err(|error| ort_error::run_error(&error))
    }
}
