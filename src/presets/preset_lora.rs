//! A LoRA of a preset, which is recognised wherever its file lies.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Error, Expert, Kind, LoraChoice, Result, sha256_hex_of_reader};

/// A LoRA of a preset: where its file was, and what identifies it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetLora {
    /// The safetensors file.
    pub file: PathBuf,
    /// Strength from -10 to 10; 1 is as trained.
    pub strength: f32,
    /// The expert it is applied to; both if `None`.
    #[serde(default)]
    pub expert: Option<Expert>,
    /// SHA-256 of the file, by which it is found after it was moved or renamed; none in older presets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of the file; only files of this size are hashed in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Whether the file was looked for and not found.
    #[serde(skip)]
    pub is_missing: bool,
    /// The item of the manifest that has the file, if it is missing and can be fetched.
    #[serde(skip)]
    pub fetched_as: Option<String>,
}

impl PresetLora {
    /// The LoRA of a draft, not yet identified.
    pub fn of(choice: &LoraChoice) -> Self {
        let LoraChoice { file, strength, expert } = choice.clone();
        Self { file, strength, expert, sha256: None, size: None, is_missing: false, fetched_as: None }
    }

    /// The LoRA for a draft.
    pub fn choice(&self) -> LoraChoice {
        LoraChoice { file: self.file.clone(), strength: self.strength, expert: self.expert }
    }

    /// The file with strength and expert, as on the command line: `FILE:STRENGTH[:high|low]`.
    pub(super) fn to_text(&self) -> String {
        let expert = match self.expert {
            None => "",
            Some(Expert::High) => ":high",
            Some(Expert::Low) => ":low",
        };
        format!("{}:{}{expert}", self.file.display(), self.strength)
    }

    /// The name on screen: that of the file, without its extension.
    pub fn name(&self) -> String {
        self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Makes the file at `path` its file, and identifies it by size and hash. Reads the whole file.
    pub fn identify(&mut self, path: &Path) -> Result<()> {
        let (size, sha256) = lora_identity(path)?;
        (self.size, self.sha256) = (Some(size), Some(sha256));
        (self.file, self.is_missing, self.fetched_as) = (path.to_path_buf(), false, None);
        Ok(())
    }
}

/// Size and SHA-256 of the file at `path`, which identify a LoRA.
pub fn lora_identity(path: &Path) -> Result<(Bytes, String)> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("Cannot read the LoRA {}", path.display()))
            .because(error)
            .remedy("Check the path, or choose another file")
            .field("lora")
    };
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    Ok((Bytes(size), sha256_hex_of_reader(&mut file).map_err(failed)?))
}
