//! Device memory for the values of a run, taken in one piece.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::value::{DynTensor, TensorElementType};

use super::session::Session;
use crate::core::{Bytes, Provider};

impl Session {
    /// Takes `bytes` of the device's memory in one piece for the values of the next run, if the session computes with CUDA
    /// and holds no free piece of this size.
    ///
    /// ONNX Runtime takes the memory of values in the pieces that they ask for, and cannot join two of them for a larger
    /// value later, so that a block of the transformer takes almost twice what it needs at once. From one piece it takes a
    /// quarter more.
    ///
    /// A device that does not have the memory is no error here: the run takes pieces then, and fails if it must.
    pub fn reserve(&self, bytes: Bytes) {
        if self.device.provider != Provider::Cuda || bytes == Bytes(0) {
            return;
        }
        let take = || -> ort::Result<()> {
            let ordinal = self.device.ordinal as i32;
            let place =
                MemoryInfo::new(AllocationDevice::CUDA, ordinal, AllocatorType::Device, MemoryType::Default)?;
            let allocator = Allocator::new(&self.inner, place)?;
            // the session keeps what it gives back
            drop(DynTensor::new(&allocator, TensorElementType::Uint8, [bytes.0 as usize])?);
            Ok(())
        };
        if let Err(error) = take() {
            tracing::debug!("The {} has no memory in one piece: {error}", self.name);
        }
    }
}
