//! Functions of the library's C interface that `ort` does not offer: its version before the process is committed to it,
//! the execution providers it was built with, and what plugins report of their devices.
#![expect(unsafe_code, reason = "C functions of a library that is loaded at run time")]

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr;

use libloading::Library;
use ort::AsPointer as _;
use ort::device::Device;
use ort::sys::{OrtApiBase, OrtKeyValuePairs};

use super::open::RuntimeOpenError;

/// The version of the library at `path`. The process can still choose another library.
pub(super) fn version_of_library(path: &Path) -> Result<String, RuntimeOpenError> {
    // SAFETY: loading runs the library's initialisers. ONNX Runtime's only fill tables; a file that pretends to be
    // ONNX Runtime could do anything, as any program the user installs could.
    let library = unsafe { Library::new(path) }.map_err(|error| RuntimeOpenError::CannotLoad {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    type GetApiBase = unsafe extern "C" fn() -> *const OrtApiBase;
    // SAFETY: this is the signature the symbol has had since the first version with a C interface.
    let base = unsafe {
        let get_base = library
            .get::<GetApiBase>(b"OrtGetApiBase")
            .map_err(|_source| RuntimeOpenError::NotOnnxRuntime { path: path.to_path_buf() })?;
        get_base()
    };
    if base.is_null() {
        return Err(RuntimeOpenError::NotOnnxRuntime { path: path.to_path_buf() });
    }
    // SAFETY: base is not null and points to a static of the library, which is loaded until the end of this
    // function; the string is a static, too, and is copied.
    let version = unsafe { CStr::from_ptr(((*base).GetVersionString)()) };
    Ok(version.to_string_lossy().into_owned())
}

/// What the provider of `device` reports of it under `key`.
pub(in crate::engine) fn device_metadata(device: &Device<'_>, key: &CStr) -> Option<String> {
    // SAFETY: the device belongs to the environment, which lives until the process ends.
    unsafe { value_of((ort::api().EpDevice_EpMetadata)(device.ptr()), key) }
}

/// What the system reports of the hardware of `device` under `key`.
pub(in crate::engine) fn hardware_metadata(device: &Device<'_>, key: &CStr) -> Option<String> {
    let hardware = device.hardware_device();
    // SAFETY: the hardware belongs to the environment, which lives until the process ends.
    unsafe { value_of((ort::api().HardwareDevice_Metadata)(hardware.ptr()), key) }
}

/// The value of `key`.
///
/// # Safety
/// `pairs` is null or a list of the loaded library.
unsafe fn value_of(pairs: *const OrtKeyValuePairs, key: &CStr) -> Option<String> {
    if pairs.is_null() {
        return None;
    }
    // SAFETY: the list is valid by the caller's word, and the key ends with a zero.
    let value = unsafe { (ort::api().GetKeyValue)(pairs, key.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a value that is not null is a string of the list, copied here.
    let value = unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// Names of the execution providers that the loaded library was built with, for instance `CPUExecutionProvider`.
///
/// Must be called after `ort` loaded the library.
pub(super) fn providers() -> Vec<String> {
    let api = ort::api();
    let (mut names, mut count) = (ptr::null_mut::<*mut c_char>(), 0);
    // SAFETY: both are valid places to write to, and the call keeps neither.
    let status = unsafe { (api.GetAvailableProviders)(&raw mut names, &raw mut count) };
    if !status.0.is_null() {
        // SAFETY: a status that is not null is ours to release.
        unsafe { (api.ReleaseStatus)(status.0) };
        return Vec::new();
    }
    let providers = (0..usize::try_from(count).unwrap_or(0))
        // SAFETY: the library has filled `count` strings, which live until they are released below.
        .map(|index| unsafe { CStr::from_ptr(*names.add(index)) }.to_string_lossy().into_owned())
        .collect();
    // SAFETY: exactly what the call above gave, once. It cannot fail; its status is null.
    let released = unsafe { (api.ReleaseAvailableProviders)(names, count) };
    debug_assert!(released.0.is_null(), "releasing the list of providers cannot fail");
    providers
}
