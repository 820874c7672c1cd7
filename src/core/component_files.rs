//! Files that a person chose for the components of a model.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Files to use for components, instead of those that the model's folder offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentFiles {
    /// File of the VAE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vae: Option<PathBuf>,
    /// File of the text encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_encoder: Option<PathBuf>,
    /// File of the high-noise expert, or of the only transformer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<PathBuf>,
    /// File of the low-noise expert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<PathBuf>,
}

impl ComponentFiles {
    /// Whether no file was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The chosen files, each with the name of its option.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [
            ("vae", &self.vae),
            ("text_encoder", &self.text_encoder),
            ("high", &self.high),
            ("low", &self.low),
        ];
        all.into_iter().filter_map(|(name, file)| Some((name, file.as_deref()?)))
    }

    /// These files, and those of `other` for components without one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            vae: self.vae.or(other.vae),
            text_encoder: self.text_encoder.or(other.text_encoder),
            high: self.high.or(other.high),
            low: self.low.or(other.low),
        }
    }
}
