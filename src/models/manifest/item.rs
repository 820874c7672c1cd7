//! The manifest as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Mode};

/// A manifest: files, and the items that are made of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the file format, 1.
    pub version: u32,
    /// Whether it adds to the shipped one (the default) or replaces it.
    #[serde(default = "extends")]
    pub extends: bool,
    /// The hub that has its files, unless `HF_ENDPOINT` names one; the user's token is not sent there.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Files by a name of their own.
    #[serde(default)]
    pub files: BTreeMap<String, ManifestFile>,
    /// Models and LoRAs.
    #[serde(default)]
    pub items: Vec<ManifestItem>,
}

fn extends() -> bool {
    true
}

/// A file of a repository, or all files of one of its folders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// What it is.
    pub component: FileComponent,
    /// `owner/name` on the hub.
    pub repository: String,
    /// Branch, tag or commit; default `main`.
    #[serde(default = "main_branch")]
    pub revision: String,
    /// Its path in the repository. A folder ends in a slash; empty means the whole repository.
    pub path: String,
    /// The folder of the item that it goes to; default the item's own folder.
    #[serde(default)]
    pub to: String,
    /// Its size in bytes, where it is known exactly.
    #[serde(default)]
    pub size: Option<Bytes>,
    /// Its size in bytes, rounded, for lists that are shown before the hub is asked.
    #[serde(default)]
    pub about: Option<Bytes>,
    /// SHA-256 of its content, where it is known.
    #[serde(default)]
    pub sha256: Option<String>,
}

fn main_branch() -> String {
    "main".to_owned()
}

impl ManifestFile {
    /// Whether it stands for all files of a folder.
    pub fn is_folder(&self) -> bool {
        self.path.is_empty() || self.path.ends_with('/')
    }

    /// Its size as far as the manifest knows it.
    pub fn known_size(&self) -> Option<Bytes> {
        self.size.or(self.about)
    }
}

/// What a file of the manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileComponent {
    /// The only transformer.
    Transformer,
    /// The transformer of the first steps.
    HighNoiseExpert,
    /// The transformer of the last steps.
    LowNoiseExpert,
    /// The text encoder.
    TextEncoder,
    /// The VAE.
    Vae,
    /// All components in one folder.
    WholeModel,
    /// A LoRA for both experts, or for the only transformer.
    Lora,
    /// A LoRA for the high-noise expert.
    HighNoiseLora,
    /// A LoRA for the low-noise expert.
    LowNoiseLora,
}

impl fmt::Display for FileComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transformer => "transformer",
            Self::HighNoiseExpert => "high-noise expert",
            Self::LowNoiseExpert => "low-noise expert",
            Self::TextEncoder => "text encoder",
            Self::Vae => "vae",
            Self::WholeModel => "whole model",
            Self::Lora => "LoRA",
            Self::HighNoiseLora => "LoRA of the high-noise expert",
            Self::LowNoiseLora => "LoRA of the low-noise expert",
        })
    }
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A model that makes videos.
    Model,
    /// A LoRA, or a pair of them.
    Lora,
}

/// A model or a LoRA in all its variants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestItem {
    /// Its id, for instance `t2v-A14B`.
    pub id: String,
    /// Its version, for instance `2.2.0`.
    pub version: String,
    /// What it is.
    pub kind: ItemKind,
    /// What it is for, one sentence.
    pub purpose: String,
    /// Its modes.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// SPDX name of its licence.
    pub licence: String,
    /// Its variants; the first is the default.
    pub variants: Vec<ManifestVariant>,
}

/// One precision or layout of an item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestVariant {
    /// Its name, for instance `fp8_scaled`.
    pub name: String,
    /// Names of its files.
    pub files: Vec<String>,
}
