//! Properties of the NVIDIA device, from the CUDA driver API.
#![expect(unsafe_code, reason = "C functions of the driver, which is loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fmt::{self, Write as _};

use libloading::Library;
use serde::Serialize;

use super::libraries::loader_message;
use super::status::Unavailable;
use crate::core::{Bytes, DeviceChoice, DeviceId, Provider};

/// File name of the driver.
pub(super) const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// CUDA version that the provider of ONNX Runtime 1.31.1 is built for, as in `cuDriverGetVersion`.
const NEEDED_CUDA: c_int = 13_000;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY: [c_int; 2] = [75, 76];
/// What to do without a driver.
const NO_DRIVER: &str = "Install the NVIDIA driver, version 580 or newer, for the card in this machine";
/// The oldest compute capability that the provider is built for.
const OLDEST: (u32, u32) = (7, 5);

/// An NVIDIA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// CUDA ordinal.
    pub ordinal: u32,
    /// UUID as `nvidia-smi -L` prints it, for instance `GPU-8d2ee0a7-…`; `None` where the driver does not report it.
    pub uuid: Option<String>,
    /// Name reported by the driver.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Total memory.
    pub memory: Bytes,
    /// Highest CUDA version that the driver supports, major and minor.
    pub cuda: (u32, u32),
}

impl Device {
    /// Its identity, used by `provider`.
    pub fn id(&self, provider: Provider) -> DeviceId {
        DeviceId { provider, ordinal: self.ordinal, uuid: self.uuid.clone() }
    }

    /// Whether another device may take its place in any job: it has nine tenths of the memory at least, and no older
    /// kernels.
    pub fn is_matched_by(&self, other: &Self) -> bool {
        other.memory.0 >= self.memory.0 / 10 * 9 && other.capability >= self.capability
    }

    /// Whether its tensor cores support fp8.
    pub fn has_fp8(&self) -> bool {
        self.capability >= (8, 9)
    }

    /// Whether its tensor cores support bf16.
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

/// The device with this ordinal, or why the provider cannot use it.
pub(super) fn at(ordinal: u32) -> Result<Device, Unavailable> {
    let library = driver()?;
    let device = Driver(&library).device(ordinal).map_err(unavailable)?;
    check(&device).map(|()| device)
}

/// The device that a person chose, or why it cannot be used.
pub(super) fn chosen(choice: &DeviceChoice) -> Result<Device, Unavailable> {
    if let DeviceChoice::Ordinal(ordinal) = choice {
        return at(*ordinal);
    }
    let all = all()?;
    let found = all.iter().find(|device| choice.names(&device.id(Provider::Cuda)));
    let Some(device) = found else {
        let words = |device: &Device| format!("{} ({})", device.uuid.as_deref().unwrap_or("?"), device.name);
        let present: Vec<_> = all.iter().map(words).collect();
        let reason = format!("there is no device {choice}; the NVIDIA driver finds {}", present.join(", "));
        return Err(Unavailable::new(reason, "Choose one of these, or any device"));
    };
    check(device).map(|()| device.clone())
}

/// Every device that the driver finds, whether the provider can use it or not.
pub(super) fn all() -> Result<Vec<Device>, Unavailable> {
    let library = driver()?;
    let driver = Driver(&library);
    let mut found = vec![driver.device(0).map_err(unavailable)?];
    loop {
        match driver.device(found.len() as u32) {
            Ok(device) => found.push(device),
            Err(Failed::NoOrdinal { .. }) => return Ok(found),
            Err(failed) => return Err(unavailable(failed)),
        }
    }
}

/// The driver's library.
fn driver() -> Result<Library, Unavailable> {
    let missing = |error: libloading::Error| {
        Unavailable::new(format!("there is no NVIDIA driver ({})", loader_message(&error)), NO_DRIVER)
    };
    // once initialised, the driver must stay loaded until the process ends
    ort::util::preload_dylib(DRIVER).map_err(missing)?;
    // SAFETY: loading runs the library's initialisers; this is the system's own driver, found along the loader's path.
    unsafe { Library::new(DRIVER) }.map_err(missing)
}

fn unavailable(failed: Failed) -> Unavailable {
    match failed {
        Failed::Code(name, code) => {
            let reason = format!("the NVIDIA driver finds no device ({name} returned {code})");
            Unavailable::new(reason, "Check the output of nvidia-smi; a container needs access to the device")
        }
        Failed::NoOrdinal { ordinal, count } => Unavailable::new(
            format!("there is no device {ordinal}, the NVIDIA driver finds {count}"),
            "Choose another device; they are counted from 0",
        ),
        Failed::Missing(name) => {
            Unavailable::new(format!("the NVIDIA driver lacks the function {name}"), NO_DRIVER)
        }
    }
}

/// Checks that the provider can use the device.
fn check(device: &Device) -> Result<(), Unavailable> {
    let (major, minor) = device.cuda;
    if (major * 1000 + minor * 10) < NEEDED_CUDA as u32 {
        let reason = format!("the NVIDIA driver supports CUDA {major}.{minor}, but 13.0 is needed");
        return Err(Unavailable::new(reason, "Install NVIDIA driver 580 or newer"));
    }
    if device.capability < OLDEST {
        let reason = format!("{device} is older than ONNX Runtime supports");
        return Err(Unavailable::new(reason, "Use a card of the Turing generation or newer"));
    }
    Ok(())
}

/// Failure of a driver function: its error code, that the driver lacks it, or that there is no such device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed {
    NoOrdinal { ordinal: u32, count: c_int },
    Code(&'static str, c_int),
    Missing(&'static str),
}

/// The driver's functions. All of them return 0 for success.
pub(super) struct Driver<'l>(pub(super) &'l Library);

impl Driver<'_> {
    fn device(&self, ordinal: u32) -> Result<Device, Failed> {
        let mut version: c_int = 0;
        let (mut count, mut device): (c_int, c_int) = (0, 0);
        let mut name: [c_char; 256] = [0; 256];
        let mut bytes: usize = 0;
        let mut capability: [c_int; 2] = [0; 2];
        let mut uuid = [0_u8; 16];
        let has_uuid;
        // SAFETY: these are the functions' signatures in cuda.h, unchanged since CUDA 3.2 (cuDeviceGetUuid_v2 since
        // 11.4, with CUuuid as 16 bytes of alignment 1). Every pointer is to a local
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
            if ordinal >= count as u32 {
                return Err(Failed::NoOrdinal { ordinal, count });
            }
            self.call("cuDeviceGet", |f: unsafe extern "C" fn(*mut c_int, c_int) -> c_int| {
                f(&raw mut device, ordinal as c_int)
            })?;
            type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
            self.call("cuDeviceGetName", |f: Name| f(name.as_mut_ptr(), name.len() as c_int, device))?;
            type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
            self.call("cuDeviceTotalMem_v2", |f: Memory| f(&raw mut bytes, device))?;
            type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
            for (value, attribute) in capability.iter_mut().zip(CAPABILITY) {
                self.call("cuDeviceGetAttribute", |f: Attribute| f(value, attribute, device))?;
            }
            type Uuid = unsafe extern "C" fn(*mut [u8; 16], c_int) -> c_int;
            // the second version reports the UUID of a MIG instance, as NVML does
            has_uuid = self
                .call("cuDeviceGetUuid_v2", |f: Uuid| f(&raw mut uuid, device))
                .or_else(|_| self.call("cuDeviceGetUuid", |f: Uuid| f(&raw mut uuid, device)))
                .is_ok();
        }
        if let Some(last) = name.last_mut() {
            *last = 0;
        }
        // SAFETY: the buffer ends with a zero, if not by the driver then by the line above.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        let [major, minor] = capability.map(|number| number.max(0) as u32);
        let version = version.max(0) as u32;
        Ok(Device {
            ordinal,
            uuid: has_uuid.then(|| uuid_text(uuid)),
            name,
            capability: (major, minor),
            memory: Bytes(bytes as u64),
            cuda: (version / 1000, version % 1000 / 10),
        })
    }

    /// Calls the function `name` of type `F`.
    ///
    /// # Safety
    /// `F` is the function's signature, and `with` calls it as its documentation allows.
    pub(super) unsafe fn call<F: Copy>(
        &self,
        name: &'static str,
        with: impl FnOnce(F) -> c_int,
    ) -> Result<(), Failed> {
        // SAFETY: the caller guarantees the type.
        let function =
            unsafe { self.0.get::<F>(name.as_bytes()) }.map_err(|_source| Failed::Missing(name))?;
        match with(*function) {
            0 => Ok(()),
            code => Err(Failed::Code(name, code)),
        }
    }
}

/// A UUID in the form of NVML: `GPU-` and 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn uuid_text(uuid: [u8; 16]) -> String {
    let mut text = "GPU".to_owned();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 0 | 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_nvml_does() {
        let uuid = std::array::from_fn(|index| index as u8 * 17);
        assert_eq!(uuid_text(uuid), "GPU-00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn a_machine_without_a_device_reports_why() {
        match at(0) {
            Ok(device) => assert!(device.capability >= OLDEST && !device.name.is_empty(), "{device:?}"),
            Err(unavailable) => {
                let Unavailable { reason, remedy } = unavailable;
                assert!(reason.contains("NVIDIA") && !remedy.is_empty(), "{reason}");
            }
        }
    }

    #[test]
    fn a_device_that_does_not_exist_is_reported() {
        let unavailable = at(4096).unwrap_err();
        assert!(unavailable.reason.contains("NVIDIA driver"), "{}", unavailable.reason);
    }

    #[test]
    fn a_card_with_less_memory_or_older_kernels_takes_no_jobs_of_another() {
        let card = |gib: u64, capability| Device {
            ordinal: 0,
            uuid: None,
            name: String::new(),
            capability,
            memory: Bytes(gib << 30),
            cuda: (13, 0),
        };
        let first = card(24, (8, 9));
        assert!(first.is_matched_by(&card(23, (8, 9))) && first.is_matched_by(&card(32, (12, 0))));
        assert!(!first.is_matched_by(&card(8, (8, 9))) && !first.is_matched_by(&card(24, (8, 6))));
    }

    #[test]
    fn a_device_is_displayed_with_name_memory_and_capability() {
        let device = Device {
            ordinal: 0,
            uuid: None,
            name: "A card".into(),
            capability: (7, 5),
            memory: Bytes(16 << 30),
            cuda: (13, 0),
        };
        assert!(!device.has_bf16());
        assert!(device.to_string().contains("A card (16") && device.to_string().contains("7.5"), "{device}");
    }
}
