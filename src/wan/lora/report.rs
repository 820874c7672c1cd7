//! What became of a LoRA's keys.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::distilled::Advice;
use crate::core::Expert;

/// What a file says about itself, before any model is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The file.
    pub file: PathBuf,
    /// How its keys are named, the most frequent way first; empty if none is a LoRA's.
    pub dialect: String,
    /// Number of keys.
    pub keys: usize,
    /// Ranks that occur.
    pub ranks: Vec<usize>,
    /// Alphas that occur as tensors.
    pub alphas: Vec<f32>,
    /// The expert that its name or metadata speaks of.
    pub expert: Option<Expert>,
    /// Width of the model that it is for.
    pub width: Option<usize>,
    /// Settings that it was distilled for.
    pub advice: Option<Advice>,
}

/// Why a key is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has no ending of a LoRA's key.
    NoLora,
    /// The model has no such module.
    NoModule,
    /// It belongs to the image branch of Wan 2.1's I2V models.
    ImageBranch,
    /// It is the magnitude of a DoRA, which is not applied.
    Dora,
    /// It belongs to another method.
    Foreign(&'static str),
    /// Its other half, down or up, is missing.
    Incomplete,
    /// Another key says the same.
    Twice,
    /// The module has another shape.
    Shape {
        /// The module's in the model.
        model: Vec<usize>,
        /// The tensor's.
        lora: Vec<usize>,
    },
    /// Its numbers cannot be computed with: of another type than floating point, or not finite.
    Numbers,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLora => f.write_str("is no part of a LoRA"),
            Self::NoModule => f.write_str("the model has no such module"),
            Self::ImageBranch => f.write_str("the image branch of Wan 2.1, which Wan 2.2 does not have"),
            Self::Dora => f.write_str("DoRA magnitudes are not applied, the rest is"),
            Self::Foreign(method) => write!(f, "{method} is not supported"),
            Self::Incomplete => f.write_str("its other half is missing"),
            Self::Twice => f.write_str("another key says the same"),
            Self::Shape { model, lora } => write!(f, "the model has {model:?} there, the LoRA {lora:?}"),
            Self::Numbers => f.write_str("its numbers cannot be computed with"),
        }
    }
}

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The key.
    pub key: String,
    /// Why.
    pub why: Why,
}

/// What became of a LoRA's keys on one transformer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoraReport {
    /// Modules that it changes, by the model's names.
    pub matched: Vec<String>,
    /// Factors that occur beside the strength: alpha over rank, or over its root if rank-stabilised.
    pub scales: Vec<f32>,
    /// Keys that are not used.
    pub left_out: Vec<LeftOut>,
    /// Keys whose change is all zero; they are left away.
    pub dead: Vec<String>,
    /// What is worth telling about how it was read.
    pub notes: Vec<String>,
}

impl LoraReport {
    /// One line for each reason why keys were left out, with their number and the first of them.
    pub fn reasons(&self) -> Vec<String> {
        let mut groups: Vec<(String, usize, &str)> = Vec::new();
        for LeftOut { key, why } in &self.left_out {
            // shapes differ from key to key, the reason is one
            let reason =
                if matches!(why, Why::Shape { .. }) { "of another shape".into() } else { why.to_string() };
            match groups.iter_mut().find(|(known, ..)| *known == reason) {
                Some((_, count, _)) => *count += 1,
                None => groups.push((reason, 1, key)),
            }
        }
        let line = |(reason, count, first): (String, usize, &str)| match count {
            1 => format!("1 key is left out ({first}): {reason}"),
            _ => format!("{count} keys are left out ({first}, …): {reason}"),
        };
        groups.into_iter().map(line).collect()
    }
}
