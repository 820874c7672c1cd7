//! The prompt as numbers: UMT5's tokenizer, from either of the files that a checkpoint brings.

use std::fs;
use std::io;
use std::path::Path;

use super::sentencepiece;
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;

/// The library's own form; any checkpoint made with transformers has it.
const JSON: &str = "tokenizer.json";
/// The form that the model was trained with.
const SENTENCEPIECE: &str = "spiece.model";
/// The tensor that holds the same bytes in a single file for ComfyUI.
const ATTACHED: &str = "spiece_model";
/// The end of a text, which the encoder expects.
const END: &str = "</s>";

const FETCH_AGAIN: &str = "Fetch the tokenizer folder of the model again";

/// A tokenizer that is open.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    end: u32,
}

/// A prompt in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIds {
    /// The tokens, the end of text last; not padded.
    pub ids: Vec<i64>,
    /// Whether the prompt was longer than the encoder reads.
    pub truncated: bool,
}

impl Tokenizer {
    /// Opens a tokenizer folder: its `tokenizer.json`, else its `spiece.model`; or a file of weights that carries
    /// the latter.
    pub fn open(folder: &Path) -> Result<Self> {
        if folder.is_file() {
            let weights = Weights::from_files(&[folder.to_path_buf()])?;
            let bytes = weights.bytes(weights.get(ATTACHED)?)?;
            let inner =
                sentencepiece::tokenizer_from_bytes(&bytes).map_err(|error| corrupt(folder, error))?;
            return Self::new(inner, folder);
        }
        if let Some(bytes) = read(&folder.join(JSON))? {
            let inner = tokenizers::Tokenizer::from_bytes(bytes)
                .map_err(|error| corrupt(&folder.join(JSON), io::Error::other(error)))?;
            return Self::new(inner, &folder.join(JSON));
        }
        if let Some(bytes) = read(&folder.join(SENTENCEPIECE))? {
            let inner = sentencepiece::tokenizer_from_bytes(&bytes)
                .map_err(|error| corrupt(&folder.join(SENTENCEPIECE), error))?;
            return Self::new(inner, &folder.join(SENTENCEPIECE));
        }
        Err(Error::new(
            Kind::MissingModel,
            format!("The tokenizer has neither {JSON} nor {SENTENCEPIECE}: {}", folder.display()),
        )
        .remedy(FETCH_AGAIN))
    }

    fn new(mut inner: tokenizers::Tokenizer, path: &Path) -> Result<Self> {
        // a file may carry the padding and truncation of whoever saved it
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| corrupt(path, io::Error::other(error)))?;
        let Some(end) = inner.token_to_id(END) else {
            return Err(corrupt(path, io::Error::other(format!("it has no token {END}"))));
        };
        Ok(Self { inner, end })
    }

    /// Tokens of a cleaned prompt, at most `max_tokens` (but one at least), the end of text always last.
    pub fn encode(&self, prompt: &str, max_tokens: usize) -> Result<TokenIds> {
        let encoding = self.inner.encode_fast(prompt, false).map_err(|error| {
            Error::new(Kind::Generation, "The prompt cannot be turned into tokens")
                .because(io::Error::other(error))
                .remedy("Write it in plain words")
        })?;
        let room = max_tokens.saturating_sub(1);
        let tokens = encoding.get_ids();
        let kept = tokens.iter().take(room).copied();
        Ok(TokenIds { ids: kept.chain([self.end]).map(i64::from).collect(), truncated: tokens.len() > room })
    }
}

/// The bytes of a file; `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(Kind::Io, format!("Cannot read {}", path.display()))
            .because(error)
            .remedy("Check that you may read the folder")),
    }
}

fn corrupt(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::CorruptModel, format!("The tokenizer's file is damaged: {}", path.display()))
        .because(cause)
        .remedy(FETCH_AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(files: &[(&str, &[u8])]) -> Kind {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let error = Tokenizer::open(folder.path()).unwrap_err();
        assert!(error.remedy_text().is_some());
        error.kind
    }

    #[test]
    fn missing_and_damaged_files_are_told_apart() {
        assert_eq!(kind_of(&[]), Kind::MissingModel);
        assert_eq!(kind_of(&[(JSON, b"version https://git-lfs")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(JSON, b"{}")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(SENTENCEPIECE, b"")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(SENTENCEPIECE, b"version https://git-lfs")]), Kind::CorruptModel);
    }
}
