//! The choice among providers, with its reason.

use super::device::Device;
use super::status::{Provider, ProviderStatus};
use crate::core::{Error, Kind, ProviderChoice, Result};

/// The provider that will be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub provider: Provider,
    /// What it runs on, if that is not the processor.
    pub device: Option<Device>,
    /// Why this one, half a sentence without a path.
    pub reason: String,
}

/// What was asked for; for `auto` CUDA where it can be used, else the CPU. `TensorRT` is never chosen without being asked
/// for: it builds engines for minutes before the first frame.
///
/// One that was asked for by name and cannot be used is refused, never replaced.
pub fn choose(choice: ProviderChoice, all: &[ProviderStatus]) -> Result<Chosen> {
    let of = |provider: Provider| all.iter().find(|status| status.provider == provider);
    let chosen = |status: &ProviderStatus, reason: String| Chosen {
        provider: status.provider,
        device: status.device.clone(),
        reason,
    };
    let on = |status: &ProviderStatus| {
        status.device.as_ref().map_or_else(String::new, |device| format!(" on {device}"))
    };
    let cpu = |reason: String| Chosen { provider: Provider::Cpu, device: None, reason };
    let wanted = match choice {
        ProviderChoice::Cpu => return Ok(cpu("cpu was asked for".to_owned())),
        ProviderChoice::Auto => {
            return Ok(match of(Provider::Cuda) {
                Some(status) => match &status.obstacle {
                    None => chosen(status, format!("the fastest that can be used{}", on(status))),
                    Some(obstacle) => cpu(format!("CUDA cannot be used: {}", obstacle.reason)),
                },
                None => cpu("there is no other".to_owned()),
            });
        }
        ProviderChoice::Cuda => Provider::Cuda,
        ProviderChoice::TensorRt => Provider::TensorRt,
    };
    let refused = |reason: &str, remedy: &str| {
        Error::new(Kind::Unsupported, format!("{wanted} cannot be used: {reason}"))
            .remedy(format!("{remedy}; or use the provider auto or cpu"))
            .field("provider")
    };
    match of(wanted) {
        None => Err(refused("nothing is known of it", "Install the GPU build of ONNX Runtime")),
        Some(status) => match &status.obstacle {
            Some(obstacle) => Err(refused(&obstacle.reason, &obstacle.remedy)),
            None => Ok(chosen(status, format!("{} was asked for{}", wanted.word(), on(status)))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::Obstacle;
    use super::*;
    use crate::core::Bytes;

    fn status(provider: Provider, obstacle: Option<&str>) -> ProviderStatus {
        let device = (provider != Provider::Cpu).then(|| Device {
            name: "A card".to_owned(),
            capability: (9, 0),
            memory: Bytes(80 << 30),
            cuda: (13, 0),
        });
        let obstacle = obstacle.map(|reason| Obstacle::new(reason, "Do this"));
        ProviderStatus { provider, obstacle, device, libraries: Vec::new() }
    }

    #[test]
    fn auto_takes_the_best_and_names_never_give_another() {
        use Provider::{Cpu, Cuda, TensorRt};
        let with = |cuda, tensorrt| [status(Cpu, None), status(Cuda, cuda), status(TensorRt, tensorrt)];
        let bare = with(Some("no card"), Some("no card"));
        let card = with(None, Some("no TensorRT"));
        let full = with(None, None);
        let provider = |choice, all: &[ProviderStatus]| choose(choice, all).map(|chosen| chosen.provider);
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
        let reason = choose(ProviderChoice::Auto, &bare).unwrap().reason;
        assert_eq!(reason, "CUDA cannot be used: no card");
        assert!(choose(ProviderChoice::Auto, &full).unwrap().reason.contains("A card"));
        let error = choose(ProviderChoice::Cuda, &bare).unwrap_err();
        assert_eq!((error.kind, error.field_name()), (Kind::Unsupported, Some("provider")));
        let text = format!("{error:#}");
        assert!(text.contains("CUDA cannot be used: no card") && text.contains("Do this; or use"), "{text}");
    }
}
