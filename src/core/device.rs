//! Execution provider and device that run graphs, as a value: chosen once and passed to whatever depends on it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choice::ProviderChoice;

/// An execution provider of ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// ONNX Runtime's CPU execution provider.
    #[default]
    Cpu,
    /// CUDA on an NVIDIA device.
    Cuda,
    /// `TensorRT`, with CUDA for operations it does not support.
    TensorRt,
    /// `TensorRT` for RTX, a plugin for `GeForce` RTX cards.
    Rtx,
    /// WebGPU, a plugin for any GPU; experimental.
    WebGpu,
    /// `OpenVINO`, a plugin for Intel's processors; experimental.
    OpenVino,
}

impl Provider {
    /// All providers, the CPU first.
    pub const ALL: [Self; 6] =
        [Self::Cpu, Self::Cuda, Self::TensorRt, Self::Rtx, Self::WebGpu, Self::OpenVino];
    /// The providers that are plugins: libraries of their own, which are loaded when they are asked for.
    pub const PLUGINS: [Self; 3] = [Self::Rtx, Self::WebGpu, Self::OpenVino];

    /// The name used by the command line and in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::Rtx => "rtx",
            Self::WebGpu => "webgpu",
            Self::OpenVino => "openvino",
        }
    }

    /// The choice that asks for this provider.
    pub fn choice(self) -> ProviderChoice {
        match self {
            Self::Cpu => ProviderChoice::Cpu,
            Self::Cuda => ProviderChoice::Cuda,
            Self::TensorRt => ProviderChoice::TensorRt,
            Self::Rtx => ProviderChoice::Rtx,
            Self::WebGpu => ProviderChoice::WebGpu,
            Self::OpenVino => ProviderChoice::OpenVino,
        }
    }

    /// Whether it is tried by name only, and its results are not vouched for.
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::WebGpu | Self::OpenVino)
    }

    /// Whether it compiles each component for the device, which takes a while.
    pub fn builds_engines(self) -> bool {
        matches!(self, Self::TensorRt | Self::Rtx)
    }

    /// Whether weights and values lie in the memory of the machine, not of a card.
    pub fn uses_host_memory(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }

    /// Whether it computes on an NVIDIA device, found by the CUDA driver.
    pub fn is_nvidia(self) -> bool {
        matches!(self, Self::Cuda | Self::TensorRt | Self::Rtx)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::TensorRt => "TensorRT",
            Self::Rtx => "TensorRT for RTX",
            Self::WebGpu => "WebGPU",
            Self::OpenVino => "OpenVINO",
        })
    }
}

/// CUDA ordinal of the device that is used where no other is chosen.
pub const FIRST_DEVICE: u32 = 0;

/// Execution provider and device: the CPU, or a CUDA device by its ordinal and UUID.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId {
    /// Execution provider.
    pub provider: Provider,
    /// CUDA ordinal; 0 for the CPU.
    pub ordinal: u32,
    /// UUID as NVML reports it, which does not depend on the order of the devices; `None` for the CPU or if unknown.
    pub uuid: Option<String>,
}

impl DeviceId {
    /// The CPU.
    pub const CPU: Self = Self { provider: Provider::Cpu, ordinal: 0, uuid: None };

    /// Name of the physical device, the same for all providers that use it: what two programs cannot use at once.
    pub fn physical(&self) -> String {
        match (self.provider, &self.uuid) {
            (provider, _) if provider.uses_host_memory() => Provider::Cpu.word().to_owned(),
            (_, Some(uuid)) => uuid.clone(),
            (_, None) => format!("{}-{}", Provider::Cuda.word(), self.ordinal),
        }
    }
}

impl fmt::Display for DeviceId {
    /// For instance `CPU` or `CUDA device 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.provider.uses_host_memory() {
            write!(f, "{}", self.provider)
        } else {
            write!(f, "{} device {}", self.provider, self.ordinal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_choices_name_the_same_provider() {
        for provider in Provider::ALL {
            let word = serde_json::to_value(provider).unwrap();
            assert_eq!(word, provider.word());
            assert_eq!(serde_json::to_value(provider.choice()).unwrap(), word);
        }
        assert!(Provider::PLUGINS.iter().all(|plugin| Provider::ALL.contains(plugin)));
    }

    #[test]
    fn providers_of_one_card_share_its_name_and_other_devices_do_not() {
        let device = |provider, ordinal, uuid: Option<&str>| {
            DeviceId { provider, ordinal, uuid: uuid.map(str::to_owned) }.physical()
        };
        let card = device(Provider::Cuda, 0, Some("GPU-1"));
        assert_eq!(card, device(Provider::TensorRt, 0, Some("GPU-1")));
        assert_eq!(card, device(Provider::Rtx, 0, Some("GPU-1")));
        assert_eq!(
            device(Provider::OpenVino, 0, None),
            DeviceId::CPU.physical(),
            "it computes on the processor"
        );
        assert_eq!(card, device(Provider::Cuda, 3, Some("GPU-1")), "its ordinal depends on the order");
        assert_eq!(device(Provider::Cuda, 1, None), device(Provider::TensorRt, 1, None));
        let names = [
            DeviceId::CPU.physical(),
            card,
            device(Provider::Cuda, 0, None),
            device(Provider::Cuda, 1, None),
        ];
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }
}
