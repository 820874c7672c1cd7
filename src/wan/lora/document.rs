//! The documents that `wandeck lora` prints, which the window shows in the same words.

use serde::Serialize;

use super::file::LoraFile;
use super::matching::{MatchTarget, match_keys};
use super::report::{LoraReport, LoraSummary};
use crate::core::{Expert, Result};
use crate::wan::{Checkpoint, Component, TransformerConfig};

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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoraFitDocument {
    /// Model id.
    pub model: String,
    /// Matched and skipped keys: of both experts, or of the high-noise one if the file tells them apart.
    pub fit: LoraReport,
    /// Matched and skipped keys of the low-noise expert, if the file tells the experts apart.
    pub low_fit: Option<LoraReport>,
    /// Why it cannot be used with the model.
    pub problem: Option<String>,
}

impl LoraFitDocument {
    /// Matches `file` with a model. Reads headers, and values only to find deltas that are zero.
    pub fn of(file: &LoraFile, checkpoint: &Checkpoint) -> Result<Self> {
        let model = checkpoint.id.clone();
        let mut document = Self { model, fit: LoraReport::default(), low_fit: None, problem: None };
        let is_split = !file.experts().is_empty() && checkpoint.transformer_2.is_some();
        for (expert, part) in experts(file, checkpoint) {
            let fit = match_keys(file, target(checkpoint, expert, part), "strength")?;
            let problem = fit.check(file, &checkpoint.id, part.config.width()).err();
            document.problem = document.problem.or_else(|| problem.map(|error| format!("{error:#}")));
            if !is_split {
                document.fit = fit.report;
                break;
            }
            match expert {
                Expert::High => document.fit = fit.report,
                Expert::Low => document.low_fit = Some(fit.report),
            }
        }
        Ok(document)
    }

    /// The reports with the experts that they are about, in words.
    pub fn reports(&self) -> Vec<(&'static str, &LoraReport)> {
        match &self.low_fit {
            None => vec![("", &self.fit)],
            Some(low) => vec![("high-noise expert", &self.fit), ("low-noise expert", low)],
        }
    }
}

/// The transformers of a model that `file` changes, with their experts; the only one counts as high.
pub fn experts<'c>(
    file: &LoraFile,
    checkpoint: &'c Checkpoint,
) -> impl Iterator<Item = (Expert, &'c Component<TransformerConfig>)> + use<'c> {
    let named = if checkpoint.transformer_2.is_some() { file.experts() } else { Vec::new() };
    let parts =
        [(Expert::High, Some(&checkpoint.transformer)), (Expert::Low, checkpoint.transformer_2.as_ref())];
    parts
        .into_iter()
        .filter(move |(expert, _)| named.is_empty() || named.contains(expert))
        .filter_map(|(expert, part)| Some((expert, part?)))
}

/// What the keys for `expert` are matched with.
pub fn target<'c>(
    checkpoint: &Checkpoint,
    expert: Expert,
    part: &'c Component<TransformerConfig>,
) -> MatchTarget<'c> {
    MatchTarget { weights: &part.weights, expert: checkpoint.transformer_2.as_ref().map(|_| expert) }
}
