//! Runs whose values stay on the device that computes.
#![expect(unsafe_code, reason = "memory of a tensor is set to zero by its address")]

use half::{bf16, f16};
use ndarray::ArrayViewD;
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
use crate::onnx::Dtype;

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
    placed: Option<(String, Tensor)>,
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
    pub fn bind_staying(&self) -> Result<Bound> {
        let bound = self.bind()?;
        let stays = bound.stays.clone().unwrap_or_else(|| bound.readable.clone());
        Ok(Bound { readable: stays, ..bound })
    }

    /// Memory of the host from which copies to the device are fast.
    pub(super) fn locked_memory(&self) -> Result<MemoryInfo<'static>> {
        Ok(self.bind()?.readable)
    }

    /// `values` in memory where the session computes, for any number of runs; rounded if `dtype` has 16 bits, so that half
    /// the bytes travel.
    ///
    /// What is bound in page-locked memory is read there by each operation that takes it.
    pub fn upload(&self, values: &ArrayViewD<'_, f32>, dtype: Dtype) -> Result<Tensor> {
        let bound = self.bind()?;
        let value = match dtype {
            Dtype::Bf16 => bound.uploaded(values, bf16::from_f32),
            Dtype::F16 => bound.uploaded(values, f16::from_f32),
            _ => bound.uploaded(values, |value| value),
        };
        value.map(Tensor)
    }

    /// Memory where the session computes for an output of a run, an fp32 tensor with shape `dims`: see [`Bound::place`]. It
    /// may hold anything.
    pub fn allocate(&self, dims: &[usize]) -> Result<Tensor> {
        let memory = self.bind()?.memory.map(|(memory, _)| memory).unwrap_or_default();
        let tensor = OrtTensor::<f32>::new(&memory, dims.to_vec());
        tensor.map(|tensor| Tensor(tensor.into_dyn())).map_err(|error| ort_error::run_error(&error))
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
            match placed.as_mut().filter(|(output, _)| output == name) {
                Some((_, Tensor(memory))) => bound.binding.bind_output(name, memory),
                None => bound.binding.bind_output_to_device(name, place),
            }
            .map_err(failed)?;
        }
        // copies to the device have no order with what it computes
        bound.binding.synchronize_inputs().map_err(failed)?;
        let mut results = watched(self.name, || {
            self.inner.run_binding_with_options(&bound.binding, &options).map_err(failed)
        })?;
        // what a run returns does not keep the allocator of memory that it was given
        let take = |name: &String| -> Result<Tensor> {
            let made = results.remove(name).ok_or_else(|| missing_output(self.name, name))?;
            let given = placed.take_if(|(output, _)| output == name);
            Ok(given.map_or_else(|| Tensor(made), |(_, memory)| memory))
        };
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
    pub fn place(&mut self, name: &str, memory: Tensor) {
        self.placed = Some((name.to_owned(), memory));
    }

    /// Sets an input to a tensor in the memory where the session computes, which is not copied.
    pub(super) fn set_in_place(&mut self, name: &str, tensor: &DynTensor) -> Result<()> {
        self.binding.bind_input(name, tensor).map_err(|error| ort_error::run_error(&error))
    }

    /// Sets inputs, each with its type and shape, to zeros that are made where the session computes: none is copied.
    pub fn set_zeros<'n>(
        &mut self,
        inputs: impl IntoIterator<Item = (&'n str, Dtype, [usize; 5])>,
    ) -> Result<()> {
        let Some((memory, ordinal)) = &self.memory else {
            return inputs.into_iter().try_for_each(|(name, dtype, dims)| {
                self.set(name, Input::Tensor(&Tensor::zeros(dtype, &dims)?))
            });
        };
        let failed = |error: ort::Error| ort_error::run_error(&error);
        let upload = Upload::open(*ordinal)?;
        for (name, dtype, dims) in inputs {
            let mut zeros = match dtype {
                Dtype::Bf16 => OrtTensor::<bf16>::new(memory, dims.to_vec()).map(OrtTensor::upcast),
                Dtype::F16 => OrtTensor::<f16>::new(memory, dims.to_vec()).map(OrtTensor::upcast),
                _ => OrtTensor::<f32>::new(memory, dims.to_vec()).map(OrtTensor::upcast),
            }
            .map_err(failed)?;
            let element = if dtype.is_narrow_float() { size_of::<f16>() } else { size_of::<f32>() };
            let size = dims.iter().product::<usize>() * element;
            // SAFETY: the tensor was made with this size in the memory of this device, and is used after the wait only.
            unsafe { upload.begin_zeros(zeros.data_ptr_mut() as u64, size)? };
            self.binding.bind_input(name, &zeros).map_err(failed)?;
        }
        upload.wait()
    }

    /// The values as `convert` makes them, where the session computes.
    fn uploaded<T>(&self, values: &ArrayViewD<'_, f32>, convert: impl Fn(f32) -> T) -> Result<DynValue>
    where
        T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
    {
        let failed = |error: ort::Error| ort_error::run_error(&error);
        let (Some((memory, ordinal)), Some(locked)) = (&self.memory, &self.locked) else {
            return owned(values.mapv(convert));
        };
        let staged = page_locked(locked, values, convert).map_err(failed)?;
        let (_, elements) = staged.try_extract_tensor::<T>().map_err(failed)?;
        let mut tensor = OrtTensor::<T>::new(memory, values.shape().to_vec()).map_err(failed)?;
        // SAFETY: these are the bytes of a slice of plain numbers, which outlives their use here.
        let bytes = unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) };
        // SAFETY: the tensor was made with this size in the memory of this device, and nothing else knows it yet.
        unsafe { Upload::open(*ordinal)?.copy(tensor.data_ptr_mut() as u64, bytes)? };
        Ok(tensor.into_dyn())
    }

    /// Sets an input.
    pub fn set(&mut self, name: &str, input: Input<'_>) -> Result<()> {
        let bound = match (input, &self.locked) {
            (Input::Tensor(tensor), _) => self.binding.bind_input(name, &tensor.0),
            // lists of numbers, such as indices, are short
            (Input::I64(view), _) => self.binding.bind_input(name, &owned(view.to_owned())?),
            (Input::F32(view), None) => self.binding.bind_input(name, &owned(view.to_owned())?),
            (Input::F32(view), Some(locked)) => {
                let copy = page_locked(locked, &view, |value| value);
                self.binding.bind_input(name, &copy.map_err(|error| ort_error::run_error(&error))?)
            }
        };
        bound.map_err(|error| ort_error::run_error(&error))
    }
}

/// A copy of `values` in page-locked memory, each as `convert` makes it.
fn page_locked<T>(
    locked: &Allocator,
    values: &ArrayViewD<'_, f32>,
    convert: impl Fn(f32) -> T,
) -> ort::Result<DynValue>
where
    T: ort::value::PrimitiveTensorElementType + std::fmt::Debug + 'static,
{
    let mut copy = OrtTensor::<T>::new(locked, values.shape().to_vec())?;
    copy.try_extract_array_mut()?.zip_mut_with(values, |to, &from| *to = convert(from));
    Ok(copy.into_dyn())
}
