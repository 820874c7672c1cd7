//! The NVIDIA devices of this machine: all of them, or the one that a person chose.

use std::path::Path;

use super::device::{self, Device};
use super::plugin_library::find;
use super::status::provider_library;
use crate::core::{DeviceChoice, Error, Fix, Kind, Provider, Result};
use crate::engine::runtime::{Environment, search};

/// The devices that the driver finds, in the order of CUDA; none without a provider that could use them, so that the driver
/// is left alone by those who compute on the CPU.
pub fn nvidia_devices(data_dir: &Path) -> Vec<Device> {
    let environment = Environment::from_process(data_dir);
    let has_cuda = search(&environment).is_ok_and(|search| {
        let folder = search.found.first().and_then(|library| library.path.parent());
        folder.is_some_and(|folder| folder.join(provider_library("cuda")).is_file())
    });
    if !has_cuda && find(Provider::Rtx, &environment).is_err() {
        return Vec::new();
    }
    device::all().unwrap_or_else(|unavailable| {
        tracing::debug!("No NVIDIA device: {}", unavailable.reason);
        Vec::new()
    })
}

/// The device that a person chose for `field`, the name of a setting. Fails with [`Kind::Unsupported`] if it is gone.
pub fn chosen_device(choice: &DeviceChoice, field: &'static str) -> Result<Device> {
    device::chosen(choice).map_err(|unavailable| {
        let message = format!("The chosen device {choice} cannot be used: {}", unavailable.reason);
        Error::new(Kind::Unsupported, message)
            .remedy(format!("{}; or run the job on any device", unavailable.remedy))
            .field(field)
            .with_fixes(vec![Fix::AnyDevice])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_gone_is_named_with_what_to_do() {
        let gone = DeviceChoice::Uuid("GPU-00000000-dead".to_owned());
        let error = chosen_device(&gone, "device").unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Unsupported, Some("device")));
        assert_eq!(error.fixes(), [Fix::AnyDevice]);
        let text = format!("{error:#}");
        assert!(text.contains("The chosen device GPU-00000000-dead cannot be used"), "{text}");
        assert!(text.contains("any device"), "{text}");
    }
}
