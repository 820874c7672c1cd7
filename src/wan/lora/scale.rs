//! Scale of a LoRA: alpha / rank, from wherever a file stores it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::core::{Bytes, read_bounded};

/// Largest settings file that is read.
const MAX_PEFT_FILE: Bytes = Bytes(4 << 20);
/// Metadata key under which diffusers stores PEFT's settings.
const DIFFUSERS_KEY: &str = "lora_adapter_metadata";
/// File that PEFT writes beside the weights.
const PEFT_FILE: &str = "adapter_config.json";

/// Scaling settings stored beside the tensors, with PEFT's names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct LoraScaling {
    lora_alpha: Option<f32>,
    /// Of a `LoKr` or `LoHa`.
    alpha: Option<f32>,
    /// Of a `LoKr` or `LoHa`, whose scale is alpha / rank whatever the rank of a factor is.
    r: Option<f32>,
    use_rslora: bool,
    alpha_pattern: BTreeMap<String, f32>,
}

impl LoraScaling {
    /// Reads the settings from `metadata`, or from a file beside `path`.
    pub(super) fn find(metadata: &BTreeMap<String, String>, path: &Path) -> Option<Self> {
        let inside = metadata.get(DIFFUSERS_KEY).and_then(|text| Self::from_diffusers(text));
        inside.or_else(|| {
            let beside = read_bounded(&path.with_file_name(PEFT_FILE), MAX_PEFT_FILE).ok()?;
            serde_json::from_slice(&beside).ok()
        })
    }

    /// Reads diffusers' form, which puts the component's name before each key.
    fn from_diffusers(text: &str) -> Option<Self> {
        let all: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
        let own = all
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("transformer.")?.to_owned(), value)));
        let own: serde_json::Map<String, Value> = own.collect();
        serde_json::from_value(Value::Object(own)).ok()
    }

    /// PEFT's rank-stabilised scale with alpha equal to the rank: assumed for a file with PEFT names and no alpha
    /// (as ComfyUI-WanVideoWrapper does).
    pub(super) fn rank_stabilised() -> Self {
        Self { use_rslora: true, ..Self::default() }
    }

    /// Scale of a `LoKr` or `LoHa` with factors of this rank; `given` is the module's own alpha tensor, which has no
    /// meaning if no factor is of low rank.
    pub(super) fn of_factors(&self, given: Option<f32>, rank: Option<usize>) -> f32 {
        match (given, rank, self.alpha, self.r) {
            (Some(alpha), Some(rank), ..) => alpha / rank as f32,
            (None, _, Some(alpha), Some(rank)) => alpha / rank,
            _ => 1.0,
        }
    }

    /// Scale of a module's delta; `given` is the module's own alpha tensor.
    pub(super) fn scale(&self, given: Option<f32>, module: &str, rank: usize) -> f32 {
        let pattern = || {
            // in PEFT a pattern may match the end of a module's path
            let named = |pattern: &str| {
                module == pattern || module.strip_suffix(pattern).is_some_and(|before| before.ends_with('.'))
            };
            self.alpha_pattern.iter().find(|(pattern, _)| named(pattern)).map(|(_, &alpha)| alpha)
        };
        let alpha = given.or_else(pattern).or(self.lora_alpha).unwrap_or(rank as f32);
        let divisor = if self.use_rslora { (rank as f32).sqrt() } else { rank as f32 };
        alpha / divisor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_comes_from_the_most_specific_setting() {
        let none = LoraScaling::default();
        assert_eq!(none.scale(None, "blocks.0.attn1.to_q", 8), 1.0);
        assert_eq!(none.scale(Some(4.0), "blocks.0.attn1.to_q", 8), 0.5);
        let json = r#"{"transformer.r": 16, "transformer.lora_alpha": 32, "transformer.use_rslora": true,
            "transformer.alpha_pattern": {"attn1.to_q": 8.0}, "transformer.target_modules": ["to_q"]}"#;
        let metadata = BTreeMap::from([(DIFFUSERS_KEY.to_owned(), json.to_owned())]);
        let settings = LoraScaling::find(&metadata, Path::new("/nowhere/a.safetensors")).unwrap();
        assert_eq!(settings.scale(None, "blocks.0.attn1.to_q", 16), 2.0);
        assert_eq!(settings.scale(None, "blocks.0.attn2.to_q", 16), 8.0);
        assert_eq!(LoraScaling::rank_stabilised().scale(None, "a", 16), 4.0);
        assert_eq!(none.of_factors(Some(4.0), Some(8)), 0.5);
        assert_eq!((none.of_factors(Some(4.0), None), none.of_factors(None, Some(8))), (1.0, 1.0));
        let peft: LoraScaling = serde_json::from_str(r#"{"peft_type": "LOKR", "r": 8, "alpha": 2}"#).unwrap();
        assert_eq!(peft.of_factors(None, Some(4)), 0.25);
    }

    #[test]
    fn settings_beside_the_file_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(PEFT_FILE), r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 2}"#)
            .unwrap();
        let settings = LoraScaling::find(&BTreeMap::new(), &dir.path().join("adapter_model.safetensors"));
        assert_eq!(settings.unwrap().scale(None, "a", 4), 0.5);
        assert_eq!(LoraScaling::find(&BTreeMap::new(), Path::new("/nowhere/a.safetensors")), None);
    }
}
