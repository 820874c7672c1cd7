//! Reads `spiece.model`, sentencepiece's protobuf, as a T5 tokenizer.
//!
//! The result equals transformers' T5 tokenizer, so that a checkpoint gives the same tokens with and without
//! `tokenizer.json`: words are split at white space, each gets the prefix `▁`, and unknown characters become `<unk>`.
//! The file's own `add_dummy_prefix`, `remove_extra_whitespaces` and `byte_fallback` are not used, although UMT5 was
//! trained with the last one: the result must equal that of transformers.

use std::io;

use prost::Message as _;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{AddedToken, Tokenizer};

use super::tokenizer_limits::check_charsmap;
use crate::onnx::GgufVocabulary;

/// Whether an unknown character is encoded as bytes.
const BYTE_FALLBACK: bool = false;
/// The character that represents a space inside a piece.
const SPACE_MARK: char = '▁';

// Field numbers of sentencepiece_model.proto.

#[derive(Clone, PartialEq, prost::Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerSpec>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Piece {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(enumeration = "PieceKind", optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum PieceKind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TrainerSpec {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
}

/// `TrainerSpec.ModelType.UNIGRAM`, which is also the default.
const UNIGRAM: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct NormalizerSpec {
    #[prost(bytes = "vec", tag = "2")]
    precompiled_charsmap: Vec<u8>,
}

/// Makes a tokenizer from the content of a `spiece.model`. Fails with [`Kind::CorruptModel`] if it is invalid.
pub(super) fn tokenizer_from_bytes(bytes: &[u8]) -> io::Result<Tokenizer> {
    tokenizer(ModelProto::decode(bytes).map_err(io::Error::other)?)
}

/// The content of the `spiece.model` from which the vocabulary of a GGUF file was made.
pub(super) fn bytes_from_vocabulary(vocabulary: GgufVocabulary) -> Vec<u8> {
    let GgufVocabulary { tokens, scores, kinds, charsmap } = vocabulary;
    let pieces = tokens.into_iter().zip(scores).zip(kinds);
    let pieces = pieces.map(|((text, score), kind)| Piece { text, score, kind: Some(kind) }).collect();
    let trainer = TrainerSpec { model_type: Some(UNIGRAM) };
    let normalizer = NormalizerSpec { precompiled_charsmap: charsmap };
    ModelProto { pieces, trainer: Some(trainer), normalizer: Some(normalizer) }.encode_to_vec()
}

fn tokenizer(model: ModelProto) -> io::Result<Tokenizer> {
    let model_type = model.trainer.unwrap_or_default().model_type.unwrap_or(UNIGRAM);
    if model_type != UNIGRAM {
        return Err(io::Error::other(format!("it is of type {model_type}, not a unigram model (1)")));
    }
    let Some(unknown) = model.pieces.iter().position(|piece| piece.kind() == PieceKind::Unknown) else {
        return Err(io::Error::other("it has no piece for unknown characters"));
    };
    let vocab = model.pieces.iter().map(|piece| (piece.text.clone(), f64::from(piece.score))).collect();
    let unigram = Unigram::from(vocab, Some(unknown), BYTE_FALLBACK).map_err(io::Error::other)?;

    let mut tokenizer = Tokenizer::new(unigram);
    let normalizer = model.normalizer.unwrap_or_default();
    if !normalizer.precompiled_charsmap.is_empty() {
        let charsmap = charsmap_from_bytes(&normalizer.precompiled_charsmap)?;
        tokenizer.with_normalizer(Some(charsmap)).map_err(io::Error::other)?;
    }
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer()));
    add_special_pieces(&mut tokenizer, &model.pieces)?;
    Ok(tokenizer)
}

/// A small `spiece.model` for any text, with each ASCII character as a piece.
///
/// Used by synthetic models, which can use any tokenizer.
pub fn letters() -> Vec<u8> {
    let piece =
        |text: &str, score, kind: PieceKind| Piece { text: text.to_owned(), score, kind: Some(kind as i32) };
    let special =
        [("<pad>", PieceKind::Control), ("</s>", PieceKind::Control), ("<unk>", PieceKind::Unknown)];
    let mut pieces: Vec<_> = special.iter().map(|(text, kind)| piece(text, 0.0, *kind)).collect();
    pieces.push(piece(&SPACE_MARK.to_string(), -1.0, PieceKind::Normal));
    pieces.extend(('!'..='~').map(|letter| piece(&letter.to_string(), -2.0, PieceKind::Normal)));
    let trainer = TrainerSpec { model_type: Some(UNIGRAM) };
    ModelProto { pieces, trainer: Some(trainer), normalizer: None }.encode_to_vec()
}

/// The precompiled character map for normalisation: the length of a trie, the trie, and the replacement texts.
fn charsmap_from_bytes(bytes: &[u8]) -> io::Result<Precompiled> {
    check_charsmap(bytes)?;
    Precompiled::from(bytes).map_err(io::Error::other)
}

/// Splits words and puts the space character `▁` before each.
fn pre_tokenizer() -> Sequence {
    Sequence::new(vec![
        PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit),
        PreTokenizerWrapper::Metaspace(Metaspace::new(SPACE_MARK, PrependScheme::Always, true)),
    ])
}

/// Special pieces, which are matched in the text before it is split: `</s>`, `<pad>`, `<extra_id_0>`.
fn add_special_pieces(tokenizer: &mut Tokenizer, pieces: &[Piece]) -> io::Result<()> {
    for piece in pieces {
        let special = match piece.kind() {
            PieceKind::Unknown | PieceKind::Control => true,
            PieceKind::UserDefined => false,
            PieceKind::Normal | PieceKind::Unused | PieceKind::Byte => continue,
        };
        let token = AddedToken::from(piece.text.clone(), special).normalized(false);
        tokenizer.add_tokens([token]).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(piece_kinds: &[PieceKind], model_type: i32, charsmap: &[u8]) -> Vec<u8> {
        let pieces = piece_kinds
            .iter()
            .map(|&kind| Piece { text: format!("{kind:?}"), score: -1.0, kind: Some(kind as i32) })
            .collect();
        let trainer = TrainerSpec { model_type: Some(model_type) };
        let normalizer = NormalizerSpec { precompiled_charsmap: charsmap.to_vec() };
        ModelProto { pieces, trainer: Some(trainer), normalizer: Some(normalizer) }.encode_to_vec()
    }

    #[test]
    fn models_that_cannot_work_are_refused_with_the_reason() {
        use PieceKind::{Normal, Unknown};
        let reason = |bytes: &[u8]| tokenizer_from_bytes(bytes).unwrap_err().to_string();
        assert!(reason(&model(&[Normal], UNIGRAM, b"")).contains("unknown"));
        assert!(reason(&model(&[Unknown], 2, b"")).contains("type 2"));
        for cut in [&b"\0\0\0\0"[..], b"\xff\xff\xff\xff\0\0\0\0", b"\x04"] {
            assert!(reason(&model(&[Unknown], UNIGRAM, cut)).contains("cut off"));
        }
        assert!(tokenizer_from_bytes(&model(&[Unknown, Normal], UNIGRAM, b"")).is_ok());
    }
}
