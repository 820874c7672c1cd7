//! Whether anything can compute in what is asked for, with the weights that the model has.
//!
//! What depends on the machine is not known here: the pipeline refuses it before anything is loaded.

use super::choice::{PrecisionChoice, ProviderChoice};
use super::error::{Error, Kind, Result};
use super::request::Limits;

impl PrecisionChoice {
    /// Fails, with what to do instead, if the model cannot be run in this precision by `provider`.
    pub fn check(self, provider: ProviderChoice, limits: &Limits) -> Result<()> {
        let model = &limits.model;
        let convert = format!("wandeck models convert {model} --precision int8");
        let on_device = matches!(provider, ProviderChoice::Cuda | ProviderChoice::TensorRt);
        if limits.int8 && on_device {
            let message = format!("The matrices of {model} are 8-bit integers, which the CPU only computes");
            return Err(Error::new(Kind::Unsupported, message)
                .remedy("Use the provider auto or cpu, or the model it was converted from")
                .field("provider"));
        }
        let (message, remedy) = match self {
            Self::Fp32 if limits.int8 => (
                format!("The matrices of {model} are 8-bit integers, and fp32 cannot be made of them"),
                "Use the precision auto or int8, or the model it was converted from".to_owned(),
            ),
            Self::Auto | Self::Fp32 => return Ok(()),
            Self::Int8 if limits.int8 => return Ok(()),
            Self::Int8 => (
                format!("{model} has no 8-bit weights"),
                format!("Run \"{convert}\" once, then use {model}-int8; or use the precision auto or fp32"),
            ),
            Self::Bf16 | Self::Fp16 if provider != ProviderChoice::Cpu && !limits.int8 => return Ok(()),
            Self::Bf16 | Self::Fp16 => {
                let word = if self == Self::Bf16 { "bf16" } else { "fp16" };
                let remedy = if limits.int8 {
                    "Use the precision auto or int8".to_owned()
                } else {
                    format!(
                        "Use the precision auto, which runs {word} weights in fp32; or \"{convert}\" for speed"
                    )
                };
                (format!("The CPU execution provider does not compute in {word}"), remedy)
            }
        };
        Err(Error::new(Kind::Unsupported, message).remedy(remedy).field("precision"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Mode, Strides};

    #[test]
    fn what_cannot_be_computed_is_refused_with_a_way_out() {
        use PrecisionChoice::{Auto, Bf16, Fp16, Fp32, Int8};
        use ProviderChoice::{Cpu, Cuda};
        for (provider, choice, int8, words) in [
            (Cpu, Auto, false, None),
            (Cpu, Auto, true, None),
            (Cpu, Fp32, false, None),
            (Cpu, Fp32, true, Some("auto or int8")),
            (Cpu, Int8, true, None),
            (Cpu, Int8, false, Some("wandeck models convert toy --precision int8")),
            (Cpu, Bf16, false, Some("runs bf16 weights in fp32")),
            (Cpu, Fp16, true, Some("auto or int8")),
            (Cuda, Auto, false, None),
            (Cuda, Bf16, false, None),
            (ProviderChoice::Auto, Fp16, false, None),
            (ProviderChoice::Auto, Auto, true, None),
            (ProviderChoice::Auto, Fp16, true, Some("auto or int8")),
            (Cuda, Auto, true, Some("provider auto or cpu")),
        ] {
            let limits = Limits {
                model: "toy".into(),
                modes: vec![Mode::T2V],
                strides: Strides { temporal: 4, spatial: 8, patch: 2 },
                max_positions: 64,
                lora: true,
                int8,
            };
            let refused = choice.check(provider, &limits).err();
            assert_eq!(refused.is_some(), words.is_some(), "{choice:?} {int8}");
            if let (Some(error), Some(words)) = (refused, words) {
                assert!(format!("{error:#}").contains(words), "{error:#}");
                let field = if provider == Cuda { "provider" } else { "precision" };
                assert_eq!(error.field_name(), Some(field));
            }
        }
    }
}
