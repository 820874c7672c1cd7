//! Which weights a device gets rounded to int8: a choice that follows its free memory, and that a resumed job keeps.

use std::fmt;

use super::compute_plan::{ComputePlan, RepackTargets};
use crate::core::Provider;
use crate::onnx::RepackTarget;

const TEXT_ENCODER: &str = "text encoder";
const TRANSFORMER: &str = "transformer";
const SEPARATOR: &str = ", ";

/// The components whose weights are rounded to int8, because those of the type that computes would take too much of a
/// device's free memory. None on the CPU, which always computes in int8 then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundedParts {
    /// UMT5.
    pub text_encoder: bool,
    /// The transformers.
    pub transformer: bool,
}

impl RoundedParts {
    /// What [`fmt::Display`] wrote; other words are passed over.
    pub fn parse(text: &str) -> Self {
        let has = |word| text.split(SEPARATOR).any(|part| part == word);
        Self { text_encoder: has(TEXT_ENCODER), transformer: has(TRANSFORMER) }
    }
}

impl fmt::Display for RoundedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.text_encoder, TEXT_ENCODER), (self.transformer, TRANSFORMER)];
        let words: Vec<_> =
            parts.into_iter().filter_map(|(is_rounded, word)| is_rounded.then_some(word)).collect();
        f.write_str(&words.join(SEPARATOR))
    }
}

impl ComputePlan {
    /// The weights that are rounded because little of the device's memory is free.
    pub fn rounded_parts(&self) -> RoundedParts {
        let RepackTargets { text, transformer, vae: _ } = self.repack;
        let is_rounded = |target| self.device.provider != Provider::Cpu && target == RepackTarget::Int8;
        RoundedParts { text_encoder: is_rounded(text), transformer: is_rounded(transformer) }
    }

    /// The same plan with `parts` rounded, for a job whose first steps were computed so.
    #[must_use]
    pub fn with_rounded_parts(&self, parts: RoundedParts) -> Self {
        if parts == self.rounded_parts() || self.device.provider == Provider::Cpu {
            return self.clone();
        }
        let target =
            |is_rounded, dtype| if is_rounded { RepackTarget::Int8 } else { RepackTarget::Float(dtype) };
        let repack = RepackTargets {
            text: target(parts.text_encoder, self.text.dtype()),
            transformer: target(parts.transformer, self.transformer.dtype()),
            ..self.repack
        };
        let rounded = match parts.to_string() {
            none if none.is_empty() => "no weights".to_owned(),
            parts => format!("the weights of the {}", parts.replace(SEPARATOR, " and the ")),
        };
        let reason = format!("{}; {rounded} rounded to int8, as in the steps that are done", self.reason);
        Self { repack, reason, ..self.clone() }
    }
}
