//! Identity of the device that runs graphs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::device::Device;
use super::status::Provider;

/// Execution provider and device: the CPU, or a CUDA device by its ordinal and UUID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// The identity of `device`, used by `provider`.
    pub fn new(provider: Provider, device: Option<&Device>) -> Self {
        Self {
            provider,
            ordinal: device.map_or(0, |device| device.ordinal),
            uuid: device.and_then(|device| device.uuid.clone()),
        }
    }
}

impl fmt::Display for DeviceId {
    /// For instance `CPU` or `CUDA device 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.provider {
            Provider::Cpu => write!(f, "{}", self.provider),
            Provider::Cuda | Provider::TensorRt => write!(f, "{} device {}", self.provider, self.ordinal),
        }
    }
}
