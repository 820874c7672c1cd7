//! The NVIDIA device, asked of its driver: the one library that comes with a card and cannot be installed by itself.
#![expect(unsafe_code, reason = "C functions of the driver, which is loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fmt;

use libloading::Library;
use serde::Serialize;

use super::status::Obstacle;
use crate::core::Bytes;

/// What the driver is called.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// The CUDA version that ONNX Runtime 1.31.1's provider is built for, as the driver numbers it.
const NEEDED_CUDA: c_int = 13_000;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY: [c_int; 2] = [75, 76];
/// The oldest architecture whose code is in the provider.
const OLDEST: (u32, u32) = (7, 5);

/// An NVIDIA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// As the driver calls it.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// All its memory.
    pub memory: Bytes,
    /// The CUDA version that the driver supports, major and minor.
    pub cuda: (u32, u32),
}

impl Device {
    /// Whether its matrix units know bf16.
    pub fn has_bf16(&self) -> bool {
        self.capability.0 >= 8
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        write!(f, "{} ({}, compute capability {major}.{minor})", self.name, self.memory)
    }
}

/// The first device, if there is one that the provider can use.
pub(super) fn first() -> Result<Device, Obstacle> {
    let no_driver = "Install the NVIDIA driver, version 580 or newer, for the card in this machine";
    let missing =
        |error: libloading::Error| Obstacle::new(format!("there is no NVIDIA driver ({error})"), no_driver);
    // it stays loaded to the end of the process, as it must once it was initialised
    ort::util::preload_dylib(DRIVER).map_err(missing)?;
    // SAFETY: loading runs the library's initialisers; this is the system's own driver, found along the loader's path.
    let library = unsafe { Library::new(DRIVER) }.map_err(missing)?;
    let driver = Driver(&library);
    let device = driver.first().map_err(|failed| match failed {
        Failed::Code(name, code) => {
            let reason = format!("the NVIDIA driver finds no device ({name} gives {code})");
            Obstacle::new(reason, "Look at what nvidia-smi says; a container must be given the device")
        }
        Failed::Missing(name) => Obstacle::new(format!("the NVIDIA driver is without {name}"), no_driver),
    })?;
    let (major, minor) = device.cuda;
    if (major * 1000 + minor * 10) < NEEDED_CUDA as u32 {
        let reason = format!("the NVIDIA driver supports CUDA {major}.{minor}, and 13.0 is needed");
        return Err(Obstacle::new(reason, "Install driver 580 or newer"));
    }
    if device.capability < OLDEST {
        let reason = format!("{device} is older than what ONNX Runtime is built for");
        return Err(Obstacle::new(reason, "Use a card of the Turing generation or newer"));
    }
    Ok(device)
}

enum Failed {
    Code(&'static str, c_int),
    Missing(&'static str),
}

/// The driver's functions. All of them return 0 for success.
struct Driver<'l>(&'l Library);

impl Driver<'_> {
    fn first(&self) -> Result<Device, Failed> {
        let mut version: c_int = 0;
        let (mut count, mut device): (c_int, c_int) = (0, 0);
        let mut name: [c_char; 256] = [0; 256];
        let mut bytes: usize = 0;
        let mut capability: [c_int; 2] = [0; 2];
        // SAFETY: these are the functions' signatures in cuda.h, unchanged since CUDA 3.2. Every pointer is to a local
        // that outlives its call, the name's length is that of its buffer, and cuInit comes first as it must.
        unsafe {
            self.call("cuInit", |f: unsafe extern "C" fn(c_uint) -> c_int| f(0))?;
            self.call("cuDriverGetVersion", |f: unsafe extern "C" fn(*mut c_int) -> c_int| {
                f(&raw mut version)
            })?;
            self.call("cuDeviceGetCount", |f: unsafe extern "C" fn(*mut c_int) -> c_int| f(&raw mut count))?;
            if count < 1 {
                return Err(Failed::Code("cuDeviceGetCount", count));
            }
            self.call("cuDeviceGet", |f: unsafe extern "C" fn(*mut c_int, c_int) -> c_int| {
                f(&raw mut device, 0)
            })?;
            type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
            self.call("cuDeviceGetName", |f: Name| f(name.as_mut_ptr(), name.len() as c_int, device))?;
            type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
            self.call("cuDeviceTotalMem_v2", |f: Memory| f(&raw mut bytes, device))?;
            type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
            for (value, attribute) in capability.iter_mut().zip(CAPABILITY) {
                self.call("cuDeviceGetAttribute", |f: Attribute| f(value, attribute, device))?;
            }
        }
        if let Some(last) = name.last_mut() {
            *last = 0;
        }
        // SAFETY: the buffer ends with a zero, if not by the driver then by the line above.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        let [major, minor] = capability.map(|number| number.max(0) as u32);
        let version = version.max(0) as u32;
        Ok(Device {
            name,
            capability: (major, minor),
            memory: Bytes(bytes as u64),
            cuda: (version / 1000, version % 1000 / 10),
        })
    }

    /// Calls the function `name`, whose type `F` must be.
    ///
    /// # Safety
    /// `F` is the function's signature, and `with` calls it as its documentation allows.
    unsafe fn call<F: Copy>(&self, name: &'static str, with: impl FnOnce(F) -> c_int) -> Result<(), Failed> {
        // SAFETY: the caller promises the type.
        let function =
            unsafe { self.0.get::<F>(name.as_bytes()) }.map_err(|_source| Failed::Missing(name))?;
        match with(*function) {
            0 => Ok(()),
            code => Err(Failed::Code(name, code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_card_says_so() {
        match first() {
            Ok(device) => assert!(device.capability >= OLDEST && !device.name.is_empty(), "{device:?}"),
            Err(obstacle) => {
                assert!(obstacle.reason.contains("NVIDIA") && !obstacle.remedy.is_empty(), "{obstacle:?}");
            }
        }
    }

    #[test]
    fn a_device_is_told_by_name_memory_and_generation() {
        let device =
            Device { name: "A card".into(), capability: (7, 5), memory: Bytes(16 << 30), cuda: (13, 0) };
        assert!(!device.has_bf16());
        assert!(device.to_string().contains("A card (16") && device.to_string().contains("7.5"), "{device}");
    }
}
