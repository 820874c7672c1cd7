//! Selection of an execution provider.

use super::device::Device;
use super::status::ProviderStatus;
use crate::core::{DeviceId, Error, Kind, Provider, ProviderChoice, Result};

/// The selected provider and device, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSelection {
    /// Identity of the device that runs the graphs.
    pub id: DeviceId,
    /// Properties of the device; `None` for the CPU.
    pub device: Option<Device>,
    /// Why it was selected: a phrase without a path.
    pub reason: String,
}

/// Selects the provider for a choice. `Auto` selects CUDA where it can be used, else the CPU; never `TensorRT`, which
/// builds engines for minutes before the first frame, and never a plugin.
///
/// Fails with [`Kind::Unsupported`] and the field `provider` if a provider chosen by name cannot be used.
pub fn select_provider(choice: ProviderChoice, all: &[ProviderStatus]) -> Result<ProviderSelection> {
    let of = |provider: Provider| all.iter().find(|status| status.provider == provider);
    let selected = |status: &ProviderStatus, reason: String| ProviderSelection {
        id: status.device_id(),
        device: status.device.clone(),
        reason,
    };
    let on = |status: &ProviderStatus| {
        status.device_words().map_or_else(String::new, |device| format!(" on {device}"))
    };
    let cpu = |reason: String| ProviderSelection { id: DeviceId::CPU, device: None, reason };
    let wanted = match choice {
        ProviderChoice::Cpu => return Ok(cpu("set to cpu".to_owned())),
        ProviderChoice::Auto => {
            return Ok(match of(Provider::Cuda) {
                Some(status) => match &status.unavailable {
                    None => selected(status, format!("the fastest provider available{}", on(status))),
                    Some(unavailable) => cpu(format!("CUDA cannot be used: {}", unavailable.reason)),
                },
                None => cpu("the only provider".to_owned()),
            });
        }
        ProviderChoice::Cuda => Provider::Cuda,
        ProviderChoice::TensorRt => Provider::TensorRt,
        ProviderChoice::Rtx => Provider::Rtx,
        ProviderChoice::WebGpu => Provider::WebGpu,
        ProviderChoice::OpenVino => Provider::OpenVino,
    };
    let error = |reason: &str, remedy: &str| {
        Error::new(Kind::Unsupported, format!("{wanted} cannot be used: {reason}"))
            .remedy(format!("{remedy}; or use the provider auto or cpu"))
            .field("provider")
    };
    match of(wanted) {
        None => Err(error("its status is unknown", "Install the GPU build of ONNX Runtime")),
        Some(ProviderStatus { unavailable: Some(unavailable), .. }) => {
            Err(error(&unavailable.reason, &unavailable.remedy))
        }
        Some(status) => {
            let experimental = if wanted.is_experimental() { ", which is experimental" } else { "" };
            Ok(selected(status, format!("set to {}{}{experimental}", wanted.word(), on(status))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::Unavailable;
    use super::*;
    use crate::core::Bytes;

    fn status(provider: Provider, reason: Option<&str>) -> ProviderStatus {
        let device = (provider != Provider::Cpu).then(|| Device {
            ordinal: 0,
            uuid: Some("GPU-0".to_owned()),
            name: "A card".to_owned(),
            capability: (9, 0),
            memory: Bytes(80 << 30),
            cuda: (13, 0),
        });
        let unavailable = reason.map(|reason| Unavailable::new(reason, "Do this"));
        ProviderStatus { unavailable, device, ..ProviderStatus::of(provider) }
    }

    #[test]
    fn auto_selects_the_fastest_and_a_name_never_selects_another() {
        use Provider::{Cpu, Cuda, TensorRt};
        let with = |cuda, tensorrt| [status(Cpu, None), status(Cuda, cuda), status(TensorRt, tensorrt)];
        let bare = with(Some("no card"), Some("no card"));
        let card = with(None, Some("no TensorRT"));
        let full = with(None, None);
        let provider = |choice, all: &[ProviderStatus]| {
            select_provider(choice, all).map(|selected| selected.id.provider)
        };
        for (choice, all, expected) in [
            (ProviderChoice::Auto, &bare, Some(Cpu)),
            (ProviderChoice::Auto, &card, Some(Cuda)),
            (ProviderChoice::Auto, &full, Some(Cuda)),
            (ProviderChoice::Cpu, &full, Some(Cpu)),
            (ProviderChoice::Cuda, &bare, None),
            (ProviderChoice::Cuda, &card, Some(Cuda)),
            (ProviderChoice::TensorRt, &card, None),
            (ProviderChoice::TensorRt, &full, Some(TensorRt)),
        ] {
            assert_eq!(provider(choice, all).ok(), expected, "{choice:?}");
        }
        let reason = select_provider(ProviderChoice::Auto, &bare).unwrap().reason;
        assert_eq!(reason, "CUDA cannot be used: no card");
        assert!(select_provider(ProviderChoice::Auto, &full).unwrap().reason.contains("A card"));
        let error = select_provider(ProviderChoice::Cuda, &bare).unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Unsupported, Some("provider")));
        let text = format!("{error:#}");
        assert!(text.contains("CUDA cannot be used: no card") && text.contains("Do this; or use"), "{text}");
    }
}
