//! Quantisation of weights, and whether a precision can be used with a model's weights and a provider.
//!
//! What depends on the machine is checked by the pipeline before anything is loaded.

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice};
use super::error::{Error, Kind, Result};
use super::request::Limits;

/// Quantisation of the large matrices of a converted model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantisation {
    /// 8 bits, with a scale for each output.
    Int8,
    /// 4 bits, with a scale for each block of 32 inputs.
    Int4,
}

impl Quantisation {
    /// The name used by the command line, in records and in the names of converted models.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// Bits per weight.
    pub fn bits(self) -> u32 {
        match self {
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }
}

impl PrecisionChoice {
    /// Checks that `provider` can run the model in this precision.
    ///
    /// Fails with [`Kind::Unsupported`] and the field `precision` or `provider`.
    pub fn check(self, provider: ProviderChoice, limits: &Limits) -> Result<()> {
        let on_device = !matches!(provider, ProviderChoice::Auto | ProviderChoice::Cpu);
        let (message, remedy) = match (limits.quantisation, self.quantisation()) {
            // a GPU dequantises int8 to what it computes in
            (Some(Quantisation::Int8), wanted) if on_device && wanted != Some(Quantisation::Int4) => {
                return Ok(());
            }
            (Some(has), _) if on_device => {
                let (model, word) = (&limits.model, has.word());
                let message = format!("{model} is quantised to {word}, which only the CPU supports");
                return Err(Error::new(Kind::Unsupported, message)
                    .remedy("Use the provider auto or cpu, or the model it was converted from")
                    .field("provider"));
            }
            (has, wanted) if self == Self::Auto || (has.is_some() && has == wanted) => return Ok(()),
            (Some(has), wanted) => self.mismatch(has, wanted, limits),
            (None, Some(wanted)) => {
                let (model, word) = (&limits.model, wanted.word());
                let convert = convert(limits, wanted);
                (
                    format!("{model} has no {word} weights"),
                    format!(
                        "Run \"{convert}\" once, then use {model}-{word}; or use the precision auto or fp32"
                    ),
                )
            }
            (None, None) => match self {
                Self::Bf16 | Self::Fp16 if provider == ProviderChoice::Cpu => (
                    self.unsupported_on_cpu(),
                    format!(
                        "Use the precision auto, which runs {} weights in fp32; or \"{}\" for speed",
                        self.word(),
                        convert(limits, Quantisation::Int8)
                    ),
                ),
                _ => return Ok(()),
            },
        };
        Err(Error::new(Kind::Unsupported, message).remedy(remedy).field("precision"))
    }

    /// The quantisation that it asks for.
    fn quantisation(self) -> Option<Quantisation> {
        match self {
            Self::Int8 => Some(Quantisation::Int8),
            Self::Int4 => Some(Quantisation::Int4),
            Self::Auto | Self::Fp32 | Self::Bf16 | Self::Fp16 => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    fn unsupported_on_cpu(self) -> String {
        format!("The CPU execution provider does not compute in {}", self.word())
    }

    /// Message and remedy for a precision that a model quantised as `has` cannot be run in.
    fn mismatch(self, has: Quantisation, wanted: Option<Quantisation>, limits: &Limits) -> (String, String) {
        let (model, word) = (&limits.model, has.word());
        let or_source = format!("Use the precision auto or {word}, or the model it was converted from");
        match (self, wanted) {
            (_, Some(wanted)) => {
                (format!("{model} is quantised to {word}, not {}", wanted.word()), or_source)
            }
            (Self::Bf16 | Self::Fp16, None) => {
                (self.unsupported_on_cpu(), format!("Use the precision auto or {word}"))
            }
            _ => (format!("{model} is quantised to {word} and cannot be run in fp32"), or_source),
        }
    }
}

fn convert(limits: &Limits, to: Quantisation) -> String {
    format!("wandeck models convert {} --precision {}", limits.model, to.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Mode, Strides};

    #[test]
    fn unsupported_precisions_are_rejected_with_a_remedy() {
        use PrecisionChoice::{Auto, Bf16, Fp16, Fp32, Int4, Int8};
        use ProviderChoice::{Cpu, Cuda};
        use Quantisation as I;
        for (provider, choice, quantisation, words) in [
            (Cpu, Auto, None, None),
            (Cpu, Auto, Some(I::Int8), None),
            (Cpu, Fp32, None, None),
            (Cpu, Fp32, Some(I::Int8), Some("auto or int8")),
            (Cpu, Int8, Some(I::Int8), None),
            (Cpu, Int8, None, Some("wandeck models convert toy --precision int8")),
            (Cpu, Int4, Some(I::Int4), None),
            (Cpu, Int8, Some(I::Int4), Some("auto or int4")),
            (Cpu, Int4, Some(I::Int8), Some("is quantised to int8, not int4")),
            (Cpu, Int4, None, Some("wandeck models convert toy --precision int4\" once, then use toy-int4")),
            (Cpu, Fp32, Some(I::Int4), Some("is quantised to int4 and cannot be run in fp32")),
            (Cuda, Auto, Some(I::Int4), Some("provider auto or cpu")),
            (Cpu, Bf16, None, Some("runs bf16 weights in fp32")),
            (Cpu, Fp16, Some(I::Int8), Some("auto or int8")),
            (Cuda, Auto, None, None),
            (Cuda, Bf16, None, None),
            (ProviderChoice::Auto, Fp16, None, None),
            (ProviderChoice::Auto, Auto, Some(I::Int8), None),
            (ProviderChoice::Auto, Fp16, Some(I::Int8), Some("auto or int8")),
            (Cuda, Auto, Some(I::Int8), None),
            (Cuda, Bf16, Some(I::Int8), None),
            (Cuda, Int4, Some(I::Int8), Some("only the CPU supports")),
        ] {
            let limits = Limits {
                model: "toy".into(),
                modes: vec![Mode::T2V],
                strides: Strides { temporal: 4, spatial: 8, patch: 2 },
                max_positions: 64,
                lora: true,
                quantisation,
            };
            let refused = choice.check(provider, &limits).err();
            assert_eq!(refused.is_some(), words.is_some(), "{choice:?} {quantisation:?}");
            if let (Some(error), Some(words)) = (refused, words) {
                assert!(format!("{error:#}").contains(words), "{error:#}");
                let field = if provider == Cuda { "provider" } else { "precision" };
                assert_eq!(error.field_name(), Some(field));
            }
        }
    }
}
