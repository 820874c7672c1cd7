//! The tokenizer that a GGUF file keeps beside its tensors.
//!
//! Keys and kinds of tokens are those of llama.cpp (`gguf-py/gguf/constants.py`, `Keys.Tokenizer` and `TokenType`).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::super::header::{corrupt, unreadable};
use super::reader::{HeaderReader, invalid};
use crate::core::Result;

/// Key of the kind of a tokenizer in a GGUF file's metadata: `t5` for a unigram model of sentencepiece.
pub const GGUF_TOKENIZER: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const KINDS: &str = "tokenizer.ggml.token_type";
const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";

/// Most entries of a list; UMT5 has 256,384 tokens and a character map of 240 kB.
const MAX_ENTRIES: u64 = 1 << 21;
/// Most bytes of a token.
const MAX_TOKEN: u64 = 1 << 16;

/// The tokens of a GGUF file, each with its score and kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufVocabulary {
    /// The tokens by id.
    pub tokens: Vec<String>,
    /// Their logarithmic probabilities.
    pub scores: Vec<f32>,
    /// What they are, with sentencepiece's numbers: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub kinds: Vec<i32>,
    /// Sentencepiece's precompiled character map for normalisation; may be empty.
    pub charsmap: Vec<u8>,
}

impl GgufVocabulary {
    /// Reads the vocabulary of the GGUF file `path`.
    ///
    /// # Errors
    ///
    /// [`crate::core::Kind::CorruptModel`] if it has no vocabulary or a damaged one.
    pub fn read(path: &Path) -> Result<Self> {
        let source = File::open(path).map_err(|error| unreadable(path, error))?;
        let mut reader = HeaderReader::new(BufReader::with_capacity(1 << 16, source));
        let damaged =
            |error: io::Error| corrupt(path, "The tokenizer in its header is damaged").because(error);
        let found = parse(&mut reader).map_err(damaged)?;
        let count = found.tokens.len();
        if count == 0 || found.scores.len() != count || found.kinds.len() != count {
            let (scores, kinds) = (found.scores.len(), found.kinds.len());
            return Err(damaged(invalid(format!("{count} tokens, {scores} scores and {kinds} kinds"))));
        }
        Ok(found)
    }
}

fn parse(reader: &mut HeaderReader<impl Read>) -> io::Result<GgufVocabulary> {
    // magic and version, which were checked when the file was opened
    reader.u64()?;
    let (_, num_keys) = (reader.u64()?, reader.u64()?);
    let mut found = GgufVocabulary::default();
    for _ in 0..num_keys {
        let key = reader.name(MAX_TOKEN)?;
        match key.as_str() {
            TOKENS => found.tokens = reader.list(MAX_ENTRIES, text)?,
            SCORES => found.scores = reader.list(MAX_ENTRIES, float)?,
            KINDS => found.kinds = reader.list(MAX_ENTRIES, whole)?,
            // written as unsigned and as signed bytes
            CHARSMAP => found.charsmap = reader.list(MAX_ENTRIES, byte)?,
            _ => {
                reader.value()?;
            }
        }
    }
    Ok(found)
}

fn text(reader: &mut HeaderReader<impl Read>, kind: u32) -> io::Result<String> {
    if kind != 8 {
        return Err(invalid(format!("a token of type {kind}")));
    }
    reader.name(MAX_TOKEN)
}

fn float(reader: &mut HeaderReader<impl Read>, kind: u32) -> io::Result<f32> {
    if kind != 6 {
        return Err(invalid(format!("a score of type {kind}")));
    }
    Ok(f32::from_bits(reader.u32()?))
}

fn whole(reader: &mut HeaderReader<impl Read>, kind: u32) -> io::Result<i32> {
    i32::try_from(reader.integer(kind)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn byte(reader: &mut HeaderReader<impl Read>, kind: u32) -> io::Result<u8> {
    if kind > 1 {
        return Err(invalid(format!("a character map of type {kind}")));
    }
    Ok(reader.integer(kind)? as u8)
}
