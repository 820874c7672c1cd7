//! Runs whose values stay on the device that computes.
#![expect(unsafe_code, reason = "memory of a tensor is set to zero by its address")]

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::value::{DynTensor, DynValue, Tensor as OrtTensor};

use super::file_fault::watched;
use super::in_place::owned;
use super::ort_error;
use super::provider::{self, Upload};
use super::session::{Session, missing_output, run_options, terminate};
use super::tensor::{Input, Tensor};
use crate::core::{CancelToken, Provider, Result};

/// Inputs of a session that stay where it computes from one run to the next, until they are set again.
///
/// On a device with memory of its own, values of the host travel through page-locked memory, which is about twice as fast
/// as any other.
pub struct Bound {
    binding: IoBinding,
    /// Page-locked memory, if the device has memory of its own.
    locked: Option<Allocator>,
    /// Memory of the CUDA device with this ordinal.
    memory: Option<(Allocator, u32)>,
    /// Where the first output goes.
    readable: MemoryInfo<'static>,
    /// Where the others stay; `None` for the memory of a plugin's device.
    stays: Option<MemoryInfo<'static>>,
    /// Whether the device gets back what a run does not use any more at its end.
    returns_memory: bool,
    /// Memory for one output of the next run, with its name.
    placed: Option<(String, DynTensor)>,
}

impl Session {
    /// Inputs for [`Self::run_bound`], of which none is set.
    pub fn bind(&self) -> Result<Bound> {
        let failed = |error: ort::Error| ort_error::run_error(&error);
        let info = |place, ordinal: u32, kind| {
            MemoryInfo::new(place, ordinal as i32, AllocatorType::Device, kind).map_err(failed)
        };
        let binding = self.inner.create_binding().map_err(failed)?;
        let host = || info(AllocationDevice::CPU, 0, MemoryType::CPUOutput);
        match self.device.provider {
            Provider::Cuda | Provider::TensorRt => {}
            provider => {
                let stays = provider.uses_host_memory().then(host).transpose()?;
                let readable = host()?;
                return Ok(Bound {
                    binding,
                    locked: None,
                    memory: None,
                    readable,
                    stays,
                    returns_memory: false,
                    placed: None,
                });
            }
        }
        let ordinal = self.device.ordinal;
        let locked = info(AllocationDevice::CUDA_PINNED, ordinal, MemoryType::CPUOutput)?;
        let device = info(AllocationDevice::CUDA, ordinal, MemoryType::Default)?;
        let allocator =
            |place: &MemoryInfo<'static>| Allocator::new(&self.inner, place.clone()).map_err(failed);
        Ok(Bound {
            binding,
            memory: Some((allocator(&device)?, ordinal)),
            locked: Some(allocator(&locked)?),
            readable: locked,
            stays: Some(device),
            returns_memory: false,
            placed: None,
        })
    }

    /// Inputs for [`Self::run_bound`], of which none is set; every output stays on the device.
    pub(super) fn bind_staying(&self) -> Result<Bound> {
        let bound = self.bind()?;
        let stays = bound.stays.clone().unwrap_or_else(|| bound.readable.clone());
        Ok(Bound { readable: stays, ..bound })
    }

    /// Memory of the host from which copies to the device are fast.
    pub(super) fn locked_memory(&self) -> Result<MemoryInfo<'static>> {
        Ok(self.bind()?.readable)
    }

    /// Runs the graph once with what is bound. Outputs are returned in the graph's order: the first can be read, the
    /// others stay on the device, as inputs of another run.
    ///
    /// A cancellation interrupts it between two operations with the cancelled error.
    pub fn run_bound(&mut self, bound: &mut Bound, cancel: &CancelToken) -> Result<Vec<Tensor>> {
        cancel.check()?;
        let failed = |error: ort::Error| ort_error::run_error(&error);
        let options = run_options(bound.returns_memory.then_some(self.device.ordinal))?;
        let _guard = cancel.on_cancel(terminate(&options));
        let device = match bound.stays {
            Some(_) => None,
            None => Some(provider::plugin_device(&self.runtime, self.device.provider, self.device.ordinal)),
        };
        let device = device.transpose().map_err(failed)?;
        let on_device = device.as_ref().map(|device| device.memory_info(false));
        let stays = bound.stays.as_ref().or(on_device.as_ref()).unwrap_or(&bound.readable);
        let places = std::iter::once(&bound.readable).chain(std::iter::repeat(stays));
        let mut placed = bound.placed.take();
        for (name, place) in self.outputs.iter().zip(places) {
            match placed.take_if(|(output, _)| output == name) {
                Some((_, memory)) => bound.binding.bind_output(name, memory),
                None => bound.binding.bind_output_to_device(name, place),
            }
            .map_err(failed)?;
        }
        // copies to the device have no order with what it computes
        bound.binding.synchronize_inputs().map_err(failed)?;
        let mut results = watched(self.name, || {
            self.inner.run_binding_with_options(&bound.binding, &options).map_err(failed)
        })?;
        let take =
            |name: &String| results.remove(name).map(Tensor).ok_or_else(|| missing_output(self.name, name));
        let outputs = self.outputs.iter().map(take).collect();
        drop(results);
        // the next run must not write into these
        bound.binding.clear_outputs();
        outputs
    }
}

impl Bound {
    /// From now on, gives the device back at the end of a run what the run does not use any more, for other sessions.
    pub fn return_memory(&mut self) {
        self.returns_memory = self.locked.is_some();
    }

    /// The next run writes the output called `name` into `memory`.
    pub(super) fn place(&mut self, name: &str, memory: DynTensor) {
        self.placed = Some((name.to_owned(), memory));
    }

    /// Sets an input to a tensor in the memory where the session computes, which is not copied.
    pub(super) fn set_in_place(&mut self, name: &str, tensor: &DynTensor) -> Result<()> {
        self.binding.bind_input(name, tensor).map_err(|error| ort_error::run_error(&error))
    }

    /// Sets inputs, each with its shape, to fp32 zeros that are made where the session computes: none is copied.
    pub fn set_zeros<'n>(&mut self, inputs: impl IntoIterator<Item = (&'n str, [usize; 5])>) -> Result<()> {
        let Some((memory, ordinal)) = &self.memory else {
            return inputs
                .into_iter()
                .try_for_each(|(name, dims)| self.set(name, Input::Tensor(&Tensor::zeros(&dims)?)));
        };
        let failed = |error: ort::Error| ort_error::run_error(&error);
        let upload = Upload::open(*ordinal)?;
        for (name, dims) in inputs {
            let mut zeros = OrtTensor::<f32>::new(memory, dims.to_vec()).map_err(failed)?;
            let size = dims.iter().product::<usize>() * size_of::<f32>();
            // SAFETY: the tensor was made with this size in the memory of this device, and is used after the wait only.
            unsafe { upload.begin_zeros(zeros.data_ptr_mut() as u64, size)? };
            self.binding.bind_input(name, &zeros).map_err(failed)?;
        }
        upload.wait()
    }

    /// Sets an input.
    pub fn set(&mut self, name: &str, input: Input<'_>) -> Result<()> {
        let bound = match (input, &self.locked) {
            (Input::Tensor(tensor), _) => self.binding.bind_input(name, &tensor.0),
            // lists of numbers, such as indices, are short
            (Input::I64(view), _) => self.binding.bind_input(name, &owned(view.to_owned())?),
            (Input::F32(view), None) => self.binding.bind_input(name, &owned(view.to_owned())?),
            (Input::F32(view), Some(locked)) => {
                let copy = page_locked(locked, &view).map_err(|error| ort_error::run_error(&error))?;
                self.binding.bind_input(name, &copy)
            }
        };
        bound.map_err(|error| ort_error::run_error(&error))
    }
}

/// A copy of `values` in page-locked memory.
fn page_locked(locked: &Allocator, values: &ndarray::ArrayViewD<'_, f32>) -> ort::Result<DynValue> {
    let mut copy = OrtTensor::<f32>::new(locked, values.shape().to_vec())?;
    copy.try_extract_array_mut()?.assign(values);
    Ok(copy.into_dyn())
}
