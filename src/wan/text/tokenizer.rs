//! UMT5's tokenizer, read from `tokenizer.json` or `spiece.model`.

use std::io;
use std::path::Path;

use super::sentencepiece;
use super::tokenizer_limits::{check_json, guarded};
use crate::core::{Bytes, Error, Kind, Result, read_bounded, without_byte_order_mark};
use crate::onnx::{GGUF_TOKENIZER, GgufVocabulary, TensorInfo, Weights};

/// File of the `tokenizers` library, in every checkpoint saved by transformers.
const JSON: &str = "tokenizer.json";
/// File of `sentencepiece`, in Wan's own release.
const SENTENCEPIECE: &str = "spiece.model";
/// Tensor that contains `spiece.model` in ComfyUI's text encoder files.
const ATTACHED: &str = "spiece_model";
/// The kind of a GGUF file's tokenizer that is sentencepiece's unigram model.
const UNIGRAM: &str = "t5";
/// End-of-sequence token, which the encoder expects at the end.
const END: &str = "</s>";

/// Largest file that is read; UMT5's `tokenizer.json` has 17 MB.
const MAX_FILE: Bytes = Bytes(128 << 20);
/// Most bytes of a prompt that are read; 512 tokens of any script have far fewer.
const MAX_PROMPT: usize = 64 << 10;

const FETCH_AGAIN: &str = "Fetch the tokenizer folder of the model again";

/// An open tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    end: u32,
}

/// The token ids of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIds {
    /// Token ids without padding; the last one is `</s>`.
    pub ids: Vec<i64>,
    /// Whether the prompt was longer than the limit and was cut.
    pub truncated: bool,
}

/// Whether the file of a checkpoint contains a tokenizer; see [`attached_tokenizer`].
pub fn has_attached_tokenizer(weights: &Weights) -> bool {
    attached_tensor(weights).is_some() || has_vocabulary(weights)
}

/// The content of the `spiece.model` that the file of a checkpoint contains, if it has one: in a tensor of `ComfyUI`'s
/// text encoder, which has a prefix before its name in an all-in-one file, or in the metadata of a GGUF file.
///
/// # Errors
///
/// [`Kind::CorruptModel`] if it is too large or damaged.
pub fn attached_tokenizer(weights: &Weights) -> Result<Option<Vec<u8>>> {
    if let Some(tensor) = attached_tensor(weights) {
        if tensor.len > MAX_FILE.0 {
            return Err(corrupt(weights.root(), io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        return weights.bytes(tensor).map(Some);
    }
    match weights.files().first().filter(|_| has_vocabulary(weights)) {
        Some(file) => GgufVocabulary::read(file).map(sentencepiece::bytes_from_vocabulary).map(Some),
        None => Ok(None),
    }
}

fn attached_tensor(weights: &Weights) -> Option<&TensorInfo> {
    let is_attached = |name: &str| {
        name.strip_suffix(ATTACHED).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    };
    weights.iter().find(|(name, _)| is_attached(name)).map(|(_, info)| info)
}

fn has_vocabulary(weights: &Weights) -> bool {
    weights.metadata().get(GGUF_TOKENIZER).is_some_and(|kind| kind == UNIGRAM)
}

impl Tokenizer {
    /// Opens the `tokenizer.json` of a folder, else its `spiece.model`; or the one inside the file of a text
    /// encoder.
    pub fn open(folder: &Path) -> Result<Self> {
        if folder.is_file() {
            let weights = Weights::from_files(&[folder.to_path_buf()])?;
            let attached = attached_tokenizer(&weights)?.ok_or_else(|| {
                Error::new(Kind::MissingModel, format!("There is no tokenizer in {}", folder.display()))
                    .remedy(FETCH_AGAIN)
            })?;
            return Self::from_sentencepiece(&attached, folder);
        }
        if let Some(bytes) = read(&folder.join(JSON))? {
            let failed = |error| corrupt(&folder.join(JSON), error);
            let bytes = without_byte_order_mark(&bytes);
            check_json(bytes).map_err(failed)?;
            let inner = guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).map_err(failed)?;
            let inner = inner.map_err(|error| failed(io::Error::other(error)))?;
            return Self::new(inner, &folder.join(JSON));
        }
        if let Some(bytes) = read(&folder.join(SENTENCEPIECE))? {
            return Self::from_sentencepiece(&bytes, &folder.join(SENTENCEPIECE));
        }
        Err(Error::new(
            Kind::MissingModel,
            format!("The tokenizer has neither {JSON} nor {SENTENCEPIECE}: {}", folder.display()),
        )
        .remedy(FETCH_AGAIN))
    }

    fn from_sentencepiece(bytes: &[u8], path: &Path) -> Result<Self> {
        let inner = guarded(|| sentencepiece::tokenizer_from_bytes(bytes)).and_then(|inner| inner);
        Self::new(inner.map_err(|error| corrupt(path, error))?, path)
    }

    fn new(mut inner: tokenizers::Tokenizer, path: &Path) -> Result<Self> {
        // the file may contain padding and truncation settings from when it was saved
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| corrupt(path, io::Error::other(error)))?;
        let Some(end) = inner.token_to_id(END) else {
            return Err(corrupt(path, io::Error::other(format!("it has no token {END}"))));
        };
        Ok(Self { inner, end })
    }

    /// The number of tokens of a cleaned prompt with its `</s>`, however many there are.
    pub fn count(&self, prompt: &str) -> Result<usize> {
        Ok(self.encode(prompt, usize::MAX)?.ids.len())
    }

    /// Token ids of a cleaned prompt, at most `max_tokens` but at least one; the last one is always `</s>`.
    pub fn encode(&self, prompt: &str, max_tokens: usize) -> Result<TokenIds> {
        let refused = |error| {
            Error::new(Kind::Generation, "The prompt cannot be turned into tokens")
                .because(error)
                .remedy("Write it in plain words, or fetch the tokenizer folder of the model again")
        };
        let read = &prompt[..prompt.floor_char_boundary(MAX_PROMPT)];
        let encoding = guarded(|| self.inner.encode_fast(read, false)).map_err(refused)?;
        let encoding = encoding.map_err(|error| refused(io::Error::other(error)))?;
        let room = max_tokens.saturating_sub(1);
        let tokens = encoding.get_ids();
        let kept = tokens.iter().take(room).copied();
        Ok(TokenIds { ids: kept.chain([self.end]).map(i64::from).collect(), truncated: tokens.len() > room })
    }
}

/// The content of a file; `None` if the file does not exist.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match read_bounded(path, MAX_FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge) => {
            Err(corrupt(path, error))
        }
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
    use std::fs;

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
    fn missing_and_damaged_files_have_different_errors() {
        assert_eq!(kind_of(&[]), Kind::MissingModel);
        assert_eq!(kind_of(&[(JSON, b"version https://git-lfs")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(JSON, b"{}")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(SENTENCEPIECE, b"")]), Kind::CorruptModel);
        assert_eq!(kind_of(&[(SENTENCEPIECE, b"version https://git-lfs")]), Kind::CorruptModel);
    }
}
