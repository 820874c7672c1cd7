//! Whether anything can compute in what is asked for, with the weights that the model has.
//!
//! What depends on the machine is not known here: the pipeline refuses it before anything is loaded.

use super::choice::{PrecisionChoice, ProviderChoice};
use super::error::{Error, Kind, Result};
use super::request::Limits;

/// What the large matrices of a converted model are, where they are integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantisation {
    /// 8 bits, with a scale for each output.
    Int8,
    /// 4 bits, with a scale for each block of inputs.
    Int4,
}

impl Quantisation {
    /// The word that the command line, records and the names of converted models use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// Bits of one.
    pub fn bits(self) -> u32 {
        match self {
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }
}

impl PrecisionChoice {
    /// Fails, with what to do instead, if the model cannot be run in this precision by `provider`.
    pub fn check(self, provider: ProviderChoice, limits: &Limits) -> Result<()> {
        let on_device = matches!(provider, ProviderChoice::Cuda | ProviderChoice::TensorRt);
        let (message, remedy) = match (limits.integers, self.integers()) {
            (Some(has), _) if on_device => {
                let (model, bits) = (&limits.model, has.bits());
                let message =
                    format!("The matrices of {model} are {bits}-bit integers, which the CPU only computes");
                return Err(Error::new(Kind::Unsupported, message)
                    .remedy("Use the provider auto or cpu, or the model it was converted from")
                    .field("provider"));
            }
            (has, wanted) if self == Self::Auto || (has.is_some() && has == wanted) => return Ok(()),
            (Some(has), wanted) => self.not_of(has, wanted, limits),
            (None, Some(wanted)) => {
                let (model, word) = (&limits.model, wanted.word());
                let convert = convert(limits, wanted);
                (
                    format!("{model} has no {}-bit weights", wanted.bits()),
                    format!(
                        "Run \"{convert}\" once, then use {model}-{word}; or use the precision auto or fp32"
                    ),
                )
            }
            (None, None) => match self {
                Self::Bf16 | Self::Fp16 if provider == ProviderChoice::Cpu => (
                    self.not_on_the_cpu(),
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

    /// The integers that it asks for.
    fn integers(self) -> Option<Quantisation> {
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

    fn not_on_the_cpu(self) -> String {
        format!("The CPU execution provider does not compute in {}", self.word())
    }

    /// Why a model of integers is not run in this precision, and what to do.
    fn not_of(self, has: Quantisation, wanted: Option<Quantisation>, limits: &Limits) -> (String, String) {
        let (model, bits, word) = (&limits.model, has.bits(), has.word());
        let or_source = format!("Use the precision auto or {word}, or the model it was converted from");
        match (self, wanted) {
            (_, Some(wanted)) => (
                format!("The matrices of {model} are {bits}-bit integers, not {}-bit ones", wanted.bits()),
                or_source,
            ),
            (Self::Bf16 | Self::Fp16, None) => {
                (self.not_on_the_cpu(), format!("Use the precision auto or {word}"))
            }
            _ => (
                format!("The matrices of {model} are {bits}-bit integers, and fp32 cannot be made of them"),
                or_source,
            ),
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
    fn what_cannot_be_computed_is_refused_with_a_way_out() {
        use PrecisionChoice::{Auto, Bf16, Fp16, Fp32, Int4, Int8};
        use ProviderChoice::{Cpu, Cuda};
        use Quantisation as I;
        for (provider, choice, integers, words) in [
            (Cpu, Auto, None, None),
            (Cpu, Auto, Some(I::Int8), None),
            (Cpu, Fp32, None, None),
            (Cpu, Fp32, Some(I::Int8), Some("auto or int8")),
            (Cpu, Int8, Some(I::Int8), None),
            (Cpu, Int8, None, Some("wandeck models convert toy --precision int8")),
            (Cpu, Int4, Some(I::Int4), None),
            (Cpu, Int8, Some(I::Int4), Some("auto or int4")),
            (Cpu, Int4, Some(I::Int8), Some("are 8-bit integers, not 4-bit ones")),
            (Cpu, Int4, None, Some("wandeck models convert toy --precision int4\" once, then use toy-int4")),
            (Cpu, Fp32, Some(I::Int4), Some("are 4-bit integers, and fp32 cannot")),
            (Cuda, Auto, Some(I::Int4), Some("provider auto or cpu")),
            (Cpu, Bf16, None, Some("runs bf16 weights in fp32")),
            (Cpu, Fp16, Some(I::Int8), Some("auto or int8")),
            (Cuda, Auto, None, None),
            (Cuda, Bf16, None, None),
            (ProviderChoice::Auto, Fp16, None, None),
            (ProviderChoice::Auto, Auto, Some(I::Int8), None),
            (ProviderChoice::Auto, Fp16, Some(I::Int8), Some("auto or int8")),
            (Cuda, Auto, Some(I::Int8), Some("provider auto or cpu")),
        ] {
            let limits = Limits {
                model: "toy".into(),
                modes: vec![Mode::T2V],
                strides: Strides { temporal: 4, spatial: 8, patch: 2 },
                max_positions: 64,
                lora: true,
                integers,
            };
            let refused = choice.check(provider, &limits).err();
            assert_eq!(refused.is_some(), words.is_some(), "{choice:?} {integers:?}");
            if let (Some(error), Some(words)) = (refused, words) {
                assert!(format!("{error:#}").contains(words), "{error:#}");
                let field = if provider == Cuda { "provider" } else { "precision" };
                assert_eq!(error.field_name(), Some(field));
            }
        }
    }
}
