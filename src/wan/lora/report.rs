//! Reports how a LoRA's keys were used.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::method::LoraMethod;
use crate::core::{Bytes, Expert};
use crate::wan::DistilledSettings;

/// What a LoRA file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoraSummary {
    /// The file.
    pub file: PathBuf,
    /// Formats of its keys, the most frequent first; empty if there is no LoRA key.
    pub format: String,
    /// What it trains: LoRA, `LoKr`, `LoHa`, `DoRA`, full differences.
    pub methods: Vec<LoraMethod>,
    /// Number of keys.
    pub keys: usize,
    /// Size of the file.
    pub size: Bytes,
    /// All ranks that occur.
    pub ranks: Vec<usize>,
    /// All values of alpha tensors.
    pub alphas: Vec<f32>,
    /// The expert that its name or metadata mentions.
    pub expert: Option<Expert>,
    /// The experts that its keys name; empty if they name none.
    pub experts: Vec<Expert>,
    /// Words that its metadata says to use in the prompt.
    pub trigger_words: Vec<String>,
    /// Width of the model it is made for.
    pub width: Option<usize>,
    /// Settings it was distilled for, if it is a distilled LoRA.
    pub advice: Option<DistilledSettings>,
}

/// Why a key was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It is not a LoRA key.
    NoLora,
    /// The model has no such module.
    NoModule,
    /// It belongs to the image branch of Wan 2.1's I2V models.
    ImageBranch,
    /// It is for an expert that the model does not have.
    OtherExpert(Expert),
    /// It belongs to another method, which is named.
    Foreign(&'static str),
    /// The tensors that belong to it are missing, like the up matrix of a down matrix.
    Incomplete,
    /// Another key has the same module and role.
    Twice,
    /// The model's weight has another shape.
    Shape {
        /// Shape in the model.
        model: Vec<usize>,
        /// Shape in the LoRA.
        lora: Vec<usize>,
    },
    /// Its values are no floating-point numbers, or its scale is not finite.
    Numbers,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLora => f.write_str("not a LoRA key"),
            Self::NoModule => f.write_str("the model has no such module"),
            Self::ImageBranch => f.write_str("the image branch of Wan 2.1, which Wan 2.2 does not have"),
            Self::OtherExpert(expert) => write!(f, "it is for the {expert}, which the model does not have"),
            Self::Foreign(method) => write!(f, "{method} is not supported"),
            Self::Incomplete => f.write_str("the tensors that belong to it are missing"),
            Self::Twice => f.write_str("another key has the same module and role"),
            Self::Shape { model, lora } => write!(f, "the model has shape {model:?}, the LoRA {lora:?}"),
            Self::Numbers => f.write_str("the values are not finite floating-point numbers"),
        }
    }
}

impl Serialize for SkipReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key that was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedKey {
    /// The key.
    pub key: String,
    /// The reason.
    pub reason: SkipReason,
}

/// How a LoRA's keys were used on one transformer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoraReport {
    /// Modules it changes, by the model's names.
    pub matched: Vec<String>,
    /// Scales besides the strength: alpha / rank, or alpha / sqrt(rank) if rank-stabilised.
    pub scales: Vec<f32>,
    /// Keys that were skipped.
    pub skipped: Vec<SkippedKey>,
    /// Number of modules whose magnitudes it changes (DoRA).
    pub magnitudes: usize,
    /// Keys whose delta is all zero; they have no effect.
    pub all_zero: Vec<String>,
    /// Assumptions that were made in reading the file.
    pub notes: Vec<String>,
}

impl LoraReport {
    /// One line for each reason why keys were skipped, with the number of keys and the first one.
    pub fn reasons(&self) -> Vec<String> {
        let mut groups: Vec<(String, usize, &str)> = Vec::new();
        for SkippedKey { key, reason: why } in &self.skipped {
            // the shapes differ from key to key, the reason is the same
            let reason =
                if matches!(why, SkipReason::Shape { .. }) { "wrong shape".into() } else { why.to_string() };
            match groups.iter_mut().find(|(known, ..)| *known == reason) {
                Some((_, count, _)) => *count += 1,
                None => groups.push((reason, 1, key)),
            }
        }
        let line = |(reason, count, first): (String, usize, &str)| match count {
            1 => format!("1 key was skipped ({first}): {reason}"),
            _ => format!("{count} keys were skipped ({first}, …): {reason}"),
        };
        groups.into_iter().map(line).collect()
    }
}
