//! The document that `wandeck lora show --json` prints.

use serde::Serialize;

use super::report::{LoraReport, LoraSummary};

/// A LoRA, and how its keys match a model.
#[derive(Clone, Debug, Serialize)]
pub struct LoraDocument<'a> {
    /// The file.
    #[serde(flatten)]
    pub summary: &'a LoraSummary,
    /// How it matches the model, if one was named.
    #[serde(flatten)]
    pub fit: Option<LoraFitDocument>,
}

/// How a LoRA matches a model.
#[derive(Clone, Debug, Serialize)]
pub struct LoraFitDocument {
    /// Model id.
    pub model: String,
    /// Matched and skipped keys.
    pub fit: LoraReport,
    /// Why it cannot be used with the model.
    pub problem: Option<String>,
}
