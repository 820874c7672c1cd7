//! LoRAs of a request: file, strength and expert.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Error, Kind, Result};
use super::expert::Expert;
use super::request::Limits;

/// Largest magnitude of a strength, as in `ComfyUI`.
const MAX_STRENGTH: f32 = 10.0;

/// A LoRA of a request, written as `FILE[:STRENGTH[:high|low]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraChoice {
    /// The safetensors file.
    pub file: PathBuf,
    /// Strength from -10 to 10; 1 is as trained.
    pub strength: f32,
    /// The expert it is applied to; both if `None`.
    #[serde(default)]
    pub expert: Option<Expert>,
}

impl LoraChoice {
    /// The LoRA in `file` at strength 1 on both experts.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), strength: 1.0, expert: None }
    }

    /// Whether it is applied to `expert`.
    pub fn changes(&self, expert: Expert) -> bool {
        self.expert.is_none_or(|only| only == expert)
    }

    /// Checks that the model supports LoRAs and that every strength is from -10 to 10.
    ///
    /// Fails with [`Kind::Input`] and the field `lora`.
    pub fn check_all(choices: &[Self], limits: &Limits) -> Result<()> {
        if !limits.lora && !choices.is_empty() {
            return Err(Error::new(Kind::Input, format!("{} does not support LoRAs", limits.model))
                .remedy("Remove the LoRAs, or set \"_lora\": true in its model_index.json to allow them")
                .field("lora"));
        }
        choices.iter().try_for_each(Self::check)
    }

    fn check(&self) -> Result<()> {
        if (-MAX_STRENGTH..=MAX_STRENGTH).contains(&self.strength) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Input,
            format!(
                "The strength of a LoRA must be from -{MAX_STRENGTH} to {MAX_STRENGTH}, not {}",
                self.strength
            ),
        )
        .remedy(format!("Set another strength (1 is as trained) for {}", self.file.display()))
        .field("lora"))
    }
}

impl FromStr for LoraChoice {
    type Err = Error;

    /// Parses from the right, because a path may contain colons.
    fn from_str(text: &str) -> Result<Self> {
        let (rest, expert) = match text.rsplit_once(':') {
            Some((rest, "high")) => (rest, Some(Expert::High)),
            Some((rest, "low")) => (rest, Some(Expert::Low)),
            _ => (text, None),
        };
        let strength = rest.rsplit_once(':').and_then(|(file, last)| Some((file, last.parse().ok()?)));
        let (file, strength) = strength.unwrap_or((rest, 1.0));
        if file.is_empty() {
            return Err(Error::new(Kind::Input, format!("\"{text}\" does not name a LoRA file"))
                .remedy("Write FILE, FILE:STRENGTH or FILE:STRENGTH:high")
                .field("lora"));
        }
        Ok(Self { file: file.into(), strength, expert })
    }
}

/// How a job applied a LoRA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoraRecord {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The experts it was applied to; the only transformer of a model counts as high.
    pub experts: Vec<Expert>,
    /// Format of its keys.
    #[serde(alias = "dialect")]
    pub format: String,
    /// Number of modules of the model that it changes.
    pub matched: usize,
    /// Number of keys that match no module of the model or are ignored for another reason.
    pub left_out: usize,
    /// Number of all-zero keys, which have no effect.
    #[serde(alias = "dead")]
    pub all_zero: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_from_the_right() {
        for (text, file, strength, expert) in [
            ("a.safetensors", "a.safetensors", 1.0, None),
            ("a.safetensors:0.5", "a.safetensors", 0.5, None),
            ("a.safetensors:-1.5:low", "a.safetensors", -1.5, Some(Expert::Low)),
            ("a.safetensors:high", "a.safetensors", 1.0, Some(Expert::High)),
            (r"C:\loras\a.safetensors", r"C:\loras\a.safetensors", 1.0, None),
            (r"C:\loras\a.safetensors:3:high", r"C:\loras\a.safetensors", 3.0, Some(Expert::High)),
            ("odd:name", "odd:name", 1.0, None),
        ] {
            let choice: LoraChoice = text.parse().unwrap();
            assert_eq!(
                (choice.file, choice.strength, choice.expert),
                (file.into(), strength, expert),
                "{text}"
            );
        }
        for text in ["", ":0.5", ":high"] {
            assert_eq!(text.parse::<LoraChoice>().unwrap_err().field_name(), Some("lora"), "{text}");
        }
    }

    #[test]
    fn a_model_may_not_support_loras() {
        let strides = crate::core::Strides { temporal: 4, spatial: 16, patch: 2 };
        let limits = |lora| Limits {
            model: "5b".into(),
            modes: Vec::new(),
            strides,
            max_positions: 64,
            lora,
            quantisation: None,
        };
        let choices = [LoraChoice::new("a.safetensors")];
        let error = LoraChoice::check_all(&choices, &limits(false)).unwrap_err();
        assert_eq!(error.field_name(), Some("lora"));
        assert!(LoraChoice::check_all(&choices, &limits(true)).is_ok());
        assert!(LoraChoice::check_all(&[], &limits(false)).is_ok());
    }

    #[test]
    fn strengths_out_of_range_are_rejected() {
        for strength in [f32::NAN, f32::INFINITY, 10.01, -11.0] {
            let error = LoraChoice { strength, ..LoraChoice::new("a") }.check().unwrap_err();
            assert_eq!((error.kind, error.field_name()), (Kind::Input, Some("lora")));
        }
        assert!(LoraChoice { strength: -10.0, ..LoraChoice::new("a") }.check().is_ok());
    }
}
