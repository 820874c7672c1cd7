//! Runs whose state is updated in place.

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::value::{DynValue, Tensor as OrtTensor};

use super::file_fault::watched;
use super::ort_error;
use super::session::{Session, missing_output, run_options, terminate};
use super::tensor::{Input, Tensor};
use crate::core::{CancelToken, Result};

/// A tensor that a run reads and replaces.
pub struct StateTensor {
    /// Name of the input.
    pub input: String,
    /// Name of the output, which has the same shape.
    pub output: String,
    /// The value: an output of an earlier run.
    pub value: Tensor,
}

impl Session {
    /// Runs the graph once. `state` is updated in place, and `output` is returned.
    ///
    /// Each output of the state is written into the memory of its input, so a state is never held twice. The graph must
    /// write such an output only after everything that reads what it replaces: an iteration of a `Scan` may read and replace
    /// a part of its own. The
    /// provider must be the CPU. A cancellation interrupts the run with the cancelled error, and the state is lost.
    pub fn run_in_place(
        &mut self,
        inputs: Vec<(&str, Input<'_>)>,
        state: Vec<StateTensor>,
        output: &str,
        cancel: &CancelToken,
    ) -> Result<(Tensor, Vec<StateTensor>)> {
        cancel.check()?;
        let options = run_options(None)?;
        let _guard = cancel.on_cancel(terminate(&options));
        let failed = |error: &ort::Error| ort_error::run_error(error);
        let mut binding = self.inner.create_binding().map_err(|error| failed(&error))?;
        for (name, input) in inputs {
            let bound = match input {
                Input::F32(view) => binding.bind_input(name, &owned(view.to_owned())?),
                Input::I64(view) => binding.bind_input(name, &owned(view.to_owned())?),
                Input::Tensor(tensor) => binding.bind_input(name, &tensor.0),
            };
            bound.map_err(|error| failed(&error))?;
        }
        let names: Vec<_> = state.iter().map(|one| (one.input.clone(), one.output.clone())).collect();
        for StateTensor { input, output, value } in state {
            binding.bind_input(input, &value.0).map_err(|error| failed(&error))?;
            binding.bind_output(output, value.0).map_err(|error| failed(&error))?;
        }
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)
            .map_err(|error| failed(&error))?;
        binding.bind_output_to_device(output, &host).map_err(|error| failed(&error))?;
        let mut results = watched(self.name, || {
            self.inner.run_binding_with_options(&binding, &options).map_err(|error| failed(&error))
        })?;
        let mut take =
            |name: &str| results.remove(name).map(Tensor).ok_or_else(|| missing_output(self.name, name));
        let result = take(output)?;
        let state = names
            .into_iter()
            .map(|(input, output)| Ok(StateTensor { value: take(&output)?, input, output }))
            .collect::<Result<_>>()?;
        Ok((result, state))
    }
}

/// A value of ONNX Runtime with these elements.
pub(super) fn owned<T>(values: ndarray::ArrayD<T>) -> Result<DynValue>
where
    T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
{
    let tensor = OrtTensor::from_array(values).map_err(|error| ort_error::run_error(&error))?;
    Ok(tensor.into_dyn())
}
