//! Whether a LoRA can be used with a model, and what it was made for if not.

use super::file::LoraFile;
use super::matching::LoraMatch;
use super::report::{SkipReason, SkippedKey};
use crate::core::{Error, Kind, Result};

/// Widths of Wan's transformers with the models' names.
const WIDTHS: [(usize, &str); 3] =
    [(5120, "Wan 2.2 A14B or Wan 2.1 14B"), (3072, "Wan 2.2 5B"), (1536, "Wan 2.1 1.3B")];
/// Name of the layer whose input channels depend on the mode: an I2V LoRA fits a T2V model without it.
const MODE_DEPENDENT: &str = "patch_embedding";

impl LoraMatch {
    /// Fails if the LoRA was made for another model, and says for which; `model` names this one.
    pub fn check(&self, file: &LoraFile, model: &str, width: usize) -> Result<()> {
        let wrong_shape = |skipped: &&SkippedKey| {
            matches!(skipped.reason, SkipReason::Shape { .. }) && !skipped.key.contains(MODE_DEPENDENT)
        };
        let path = file.path.display();
        let refuse = |message: String, remedy: &str| {
            Err(Error::new(Kind::Input, message).remedy(remedy).field("lora"))
        };
        if let Some(skipped) = self.report.skipped.iter().find(wrong_shape) {
            let theirs = file.summary().width.filter(|theirs| *theirs != width);
            let made_for =
                theirs.map_or_else(String::new, |theirs| format!("is made for {} and ", named(theirs)));
            return refuse(
                format!(
                    "The LoRA {path} {made_for}does not fit {model} ({}): {}: {}",
                    named(width),
                    skipped.key,
                    skipped.reason
                ),
                "Choose a LoRA for this model, or the model the LoRA was made for",
            );
        }
        if self.report.matched.is_empty() && self.report.all_zero.is_empty() {
            let kind = kind_from_keys(&self.report.skipped);
            return refuse(
                format!("The LoRA {path} matches no layer of {model}: {kind}"),
                "Choose a LoRA that was trained on Wan",
            );
        }
        Ok(())
    }
}

/// A width with the model's name, if it is known.
fn named(width: usize) -> String {
    let name = WIDTHS.iter().find(|(known, _)| *known == width).map(|(_, name)| *name);
    name.map_or_else(|| format!("width {width}"), |name| format!("{name}, width {width}"))
}

/// What a file without any matching key probably is.
fn kind_from_keys(keys: &[SkippedKey]) -> String {
    let has = |words: &[&str]| keys.iter().any(|skipped| words.iter().any(|word| skipped.key.contains(word)));
    let first = keys.first().map_or("", |skipped| skipped.key.as_str());
    let other_expert = keys.iter().all(|skipped| matches!(skipped.reason, SkipReason::OtherExpert(_)));
    let image_branch = keys.iter().all(|skipped| skipped.reason == SkipReason::ImageBranch);
    let foreign = keys.iter().find_map(|skipped| match skipped.reason {
        SkipReason::Foreign(method) => Some(method),
        _ => None,
    });
    let is_incomplete = keys.iter().all(|skipped| skipped.reason == SkipReason::Incomplete);
    if keys.is_empty() {
        "the file has no tensors".to_owned()
    } else if other_expert {
        "it changes only the low-noise expert, which the model does not have".to_owned()
    } else if is_incomplete {
        format!("the tensors that belong to it are missing ({first})")
    } else if image_branch {
        "it changes only the image branch of Wan 2.1, which Wan 2.2 does not have".to_owned()
    } else if let Some(method) = foreign {
        format!("{method} is not supported ({first})")
    } else if has(&["single_blocks", "double_blocks", "single_transformer_blocks"]) {
        format!("it is made for FLUX or HunyuanVideo ({first})")
    } else if has(&["down_blocks", "input_blocks", "mid_block", "up_blocks", "output_blocks"]) {
        format!("it is made for Stable Diffusion ({first})")
    } else if has(&["transformer_blocks"]) {
        format!(
            "it is made for LTX-Video, Stable Diffusion 3 or another model with transformer_blocks ({first})"
        )
    } else if has(&["lora_te", "text_encoder", "text_model"]) {
        format!("it changes a text encoder ({first})")
    } else if has(&["vace_blocks"]) {
        format!("it is made for VACE ({first})")
    } else if keys.iter().all(|skipped| skipped.reason == SkipReason::NoLora) {
        format!("it is not a LoRA; it may be a whole model or another kind of file ({first})")
    } else {
        format!("its keys belong to another model ({first})")
    }
}
