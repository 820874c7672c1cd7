//! Copies and zeros into the memory of the CUDA device, beside what it computes.
#![expect(unsafe_code, reason = "C functions of the driver, which is loaded at run time")]

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use libloading::Library;

use super::device::{DRIVER, Driver, Failed};
use super::libraries::loader_message;
use crate::core::{Error, Kind, Result};

/// `CU_STREAM_NON_BLOCKING`: a stream without any order with the default one.
const NON_BLOCKING: c_uint = 1;

/// A stream of copies. Belongs to the thread that opened it.
pub(in crate::engine) struct Upload {
    library: Library,
    /// `CUstream`.
    stream: *mut c_void,
}

impl Upload {
    /// A stream of the device with this ordinal, in the context that ONNX Runtime uses too.
    pub(in crate::engine) fn open(ordinal: u32) -> Result<Self> {
        // SAFETY: loading runs the library's initialisers; this is the system's own driver, which a session on this
        // device has loaded already.
        let library = unsafe { Library::new(DRIVER) }.map_err(|error| {
            Error::new(Kind::Device, format!("There is no NVIDIA driver ({})", loader_message(&error)))
        })?;
        let mut upload = Self { library, stream: ptr::null_mut() };
        let (mut device, mut context): (c_int, *mut c_void) = (0, ptr::null_mut());
        let stream = &raw mut upload.stream;
        let driver = Driver(&upload.library);
        type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
        type Retain = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;
        type SetCurrent = unsafe extern "C" fn(*mut c_void) -> c_int;
        type Create = unsafe extern "C" fn(*mut *mut c_void, c_uint) -> c_int;
        // SAFETY: these are the functions' signatures in cuda.h, unchanged since CUDA 7. Every pointer is to a local or a
        // field that outlives its call. The context stays retained until the process ends: sessions use it.
        unsafe {
            driver
                .call("cuDeviceGet", |f: Get| f(&raw mut device, ordinal as c_int))
                .and_then(|()| {
                    driver.call("cuDevicePrimaryCtxRetain", |f: Retain| f(&raw mut context, device))
                })
                .and_then(|()| driver.call("cuCtxSetCurrent", |f: SetCurrent| f(context)))
                .and_then(|()| driver.call("cuStreamCreate", |f: Create| f(stream, NON_BLOCKING)))
        }
        .map_err(|failed| error(&failed))?;
        Ok(upload)
    }

    /// Begins to copy `bytes` to the address `device`.
    ///
    /// # Safety
    /// So many bytes of the device are allocated at `device`, and nothing reads them, or writes to `bytes`, before
    /// [`Self::wait`] returns.
    pub(in crate::engine) unsafe fn begin(&self, device: u64, bytes: &[u8]) -> Result<()> {
        type Copy = unsafe extern "C" fn(u64, *const c_void, usize, *mut c_void) -> c_int;
        // SAFETY: the function's signature in cuda.h since CUDA 3.2; the caller guarantees the memory.
        unsafe {
            Driver(&self.library).call("cuMemcpyHtoDAsync_v2", |f: Copy| {
                f(device, bytes.as_ptr().cast(), bytes.len(), self.stream)
            })
        }
        .map_err(|failed| error(&failed))
    }

    /// Copies `bytes` to the address `device`, and returns when they are there.
    ///
    /// # Safety
    /// So many bytes of the device are allocated at `device`, and nothing else uses them.
    pub(in crate::engine) unsafe fn copy(&self, device: u64, bytes: &[u8]) -> Result<()> {
        type Copy = unsafe extern "C" fn(u64, *const c_void, usize) -> c_int;
        // SAFETY: the function's signature in cuda.h since CUDA 3.2; the caller guarantees the memory.
        unsafe {
            Driver(&self.library)
                .call("cuMemcpyHtoD_v2", |f: Copy| f(device, bytes.as_ptr().cast(), bytes.len()))
        }
        .map_err(|failed| error(&failed))
    }

    /// Begins to set `size` bytes from the address `device` on to zero.
    ///
    /// # Safety
    /// So many bytes of the device are allocated at `device`, and nothing uses them before [`Self::wait`] returns.
    pub(in crate::engine) unsafe fn begin_zeros(&self, device: u64, size: usize) -> Result<()> {
        type Set = unsafe extern "C" fn(u64, u8, usize, *mut c_void) -> c_int;
        // SAFETY: the function's signature in cuda.h since CUDA 3.2; the caller guarantees the memory.
        unsafe { Driver(&self.library).call("cuMemsetD8Async", |f: Set| f(device, 0, size, self.stream)) }
            .map_err(|failed| error(&failed))
    }

    /// Waits until everything that was begun is done.
    pub(in crate::engine) fn wait(&self) -> Result<()> {
        type Synchronize = unsafe extern "C" fn(*mut c_void) -> c_int;
        // SAFETY: the function's signature in cuda.h, with the stream of this value.
        unsafe { Driver(&self.library).call("cuStreamSynchronize", |f: Synchronize| f(self.stream)) }
            .map_err(|failed| error(&failed))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.stream.is_null() {
            return;
        }
        type Destroy = unsafe extern "C" fn(*mut c_void) -> c_int;
        // SAFETY: the function's signature in cuda.h, with the stream of this value, which nothing uses any more.
        let destroyed =
            unsafe { Driver(&self.library).call("cuStreamDestroy_v2", |f: Destroy| f(self.stream)) };
        if let Err(failed) = destroyed {
            tracing::debug!("A stream of copies was not destroyed: {failed:?}");
        }
    }
}

fn error(failed: &Failed) -> Error {
    let (kind, message) = match failed {
        Failed::Code(name, code) => {
            (Kind::Device, format!("The memory of the device could not be written ({name} returned {code})"))
        }
        Failed::Missing(name) => (Kind::Device, format!("The NVIDIA driver lacks the function {name}")),
        Failed::NoOrdinal { ordinal, .. } => (Kind::Device, format!("There is no device {ordinal}")),
    };
    Error::new(kind, message).remedy("Check the output of nvidia-smi, and retry the job")
}
