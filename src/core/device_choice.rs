//! The devices that a job asks for, as a person names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::device::DeviceId;
use super::error::{Error, Kind, Result};
use super::request::Draft;

/// Beginnings of the UUID of a GPU, and of a part of one (MIG).
const UUID_PREFIXES: [&str; 2] = ["GPU-", "MIG-"];

/// One device: its number in the order of CUDA, or its UUID, which does not depend on that order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// CUDA ordinal, counted from 0.
    Ordinal(u32),
    /// UUID as `nvidia-smi -L` prints it, or its beginning.
    Uuid(String),
}

impl DeviceChoice {
    /// Whether this is the device.
    pub fn names(&self, device: &DeviceId) -> bool {
        match self {
            Self::Ordinal(ordinal) => *ordinal == device.ordinal,
            Self::Uuid(wanted) => {
                let digits = |uuid: &str| uuid.get(4..).unwrap_or_default().to_ascii_lowercase();
                device.uuid.as_deref().is_some_and(|uuid| digits(uuid).starts_with(&digits(wanted)))
            }
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(ordinal) = text.parse() {
            return Ok(Self::Ordinal(ordinal));
        }
        let is_digit = |c: char| c.is_ascii_hexdigit() || c == '-' || c == '/';
        let is_uuid = UUID_PREFIXES.iter().any(|prefix| {
            text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_digit))
        });
        if is_uuid {
            return Ok(Self::Uuid(text.to_owned()));
        }
        Err(Error::new(Kind::Input, format!("{text:?} is not a device"))
            .remedy("Give its number, for example 0, or its UUID as \"nvidia-smi -L\" prints it"))
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for DeviceChoice {
    /// For instance `1` or `GPU-8d2ee0a7-…`, as it is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordinal(ordinal) => ordinal.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

/// The devices that a job is pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceChoices {
    /// The device that runs the job; `None` for whichever is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceChoice>,
    /// A second device for CFG parallelism: it computes the prediction for the negative prompt while the first one computes
    /// that for the prompt. `None` computes both on the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cfg_parallel: Option<DeviceChoice>,
}

impl DeviceChoices {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These choices, and those of `other` where there is none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { device: self.device.or(other.device), cfg_parallel: self.cfg_parallel.or(other.cfg_parallel) }
    }

    /// Checks that the draft's provider has devices to choose from, and that its two devices differ.
    pub(super) fn check(draft: &Draft) -> Result<()> {
        let Self { device, cfg_parallel } = &draft.devices;
        let provider = draft.provider.provider().filter(|provider| provider.uses_host_memory());
        let first = [("device", device), ("cfg_parallel", cfg_parallel)];
        let chosen = first.into_iter().find_map(|(field, choice)| Some((field, choice.as_ref()?)));
        if let (Some(provider), Some((field, choice))) = (provider, chosen) {
            let message = format!("The device {choice} is chosen, but {provider} does not run on a GPU");
            return Err(Error::new(Kind::Input, message)
                .remedy("Use the provider cuda or auto, or set the device to auto")
                .field(field));
        }
        match (device, cfg_parallel) {
            (Some(one), Some(other)) if one == other => {
                let message = format!("CFG parallel needs two devices, but both are {one}");
                Err(Error::new(Kind::Input, message).remedy("Choose another device").field("cfg_parallel"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{Provider, ProviderChoice};

    #[test]
    fn a_device_is_named_by_number_or_by_uuid_and_kept_as_given() {
        for text in ["0", "17", "GPU-8d2ee0a7", "MIG-8d2ee0a7-0000-0000-0000-000000000001"] {
            let choice: DeviceChoice = text.parse().unwrap();
            assert_eq!(choice.to_string(), text);
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<DeviceChoice>(&json).unwrap(), choice);
        }
        for text in ["", "cuda:0", "-1", "GPU-", "GPU-xyz", "the first"] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert!(format!("{error:#}").contains("nvidia-smi -L"), "{text}: {error:#}");
        }
    }

    #[test]
    fn a_uuid_names_its_device_whatever_the_order_and_a_number_the_place() {
        let device = |ordinal, uuid: Option<&str>| DeviceId {
            provider: Provider::Cuda,
            ordinal,
            uuid: uuid.map(str::to_owned),
        };
        let choice = |text: &str| text.parse::<DeviceChoice>().unwrap();
        assert!(choice("1").names(&device(1, None)) && !choice("1").names(&device(0, None)));
        let one = device(3, Some("GPU-8d2ee0a7-1111"));
        assert!(choice("GPU-8D2EE0A7").names(&one) && choice("MIG-8d2e").names(&one));
        assert!(!choice("GPU-9").names(&one) && !choice("GPU-8d2e").names(&device(3, None)));
    }

    #[test]
    fn a_choice_without_a_gpu_and_the_same_device_twice_are_refused() {
        let field = |provider, device: Option<&str>, second: Option<&str>| {
            let choice = |text: &str| text.parse::<DeviceChoice>().unwrap();
            let devices = DeviceChoices { device: device.map(choice), cfg_parallel: second.map(choice) };
            DeviceChoices::check(&Draft { provider, devices, ..draft() })
                .err()
                .and_then(|error| error.field_name())
        };
        let (auto, cpu) = (ProviderChoice::Auto, ProviderChoice::Cpu);
        assert_eq!(field(auto, Some("1"), Some("0")), None);
        assert_eq!(field(cpu, None, None), None);
        assert_eq!(field(cpu, Some("1"), None), Some("device"));
        assert_eq!(field(cpu, None, Some("1")), Some("cfg_parallel"));
        assert_eq!(field(auto, Some("1"), Some("1")), Some("cfg_parallel"));
    }
}
