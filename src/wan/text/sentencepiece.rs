//! `spiece.model`: the protobuf that `sentencepiece` writes, made a tokenizer of the T5 kind.

use std::io;

use prost::Message as _;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{AddedToken, Tokenizer};

/// Stands for a space inside a piece.
const SPACE_MARK: char = '▁';

// Field numbers are those of sentencepiece_model.proto.

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
    #[prost(bool, tag = "35")]
    byte_fallback: bool,
}

/// `TrainerSpec.ModelType.UNIGRAM`, also where nothing is said.
const UNIGRAM: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct NormalizerSpec {
    #[prost(bytes = "vec", tag = "2")]
    precompiled_charsmap: Vec<u8>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
}

/// Makes a tokenizer of the bytes of a `spiece.model`.
pub(super) fn tokenizer_from_bytes(bytes: &[u8]) -> io::Result<Tokenizer> {
    let model = ModelProto::decode(bytes).map_err(io::Error::other)?;
    let trainer = model.trainer.unwrap_or_default();
    let model_type = trainer.model_type.unwrap_or(UNIGRAM);
    if model_type != UNIGRAM {
        return Err(io::Error::other(format!("it is of type {model_type}, not a unigram model (1)")));
    }
    let Some(unknown) = model.pieces.iter().position(|piece| piece.kind() == PieceKind::Unknown) else {
        return Err(io::Error::other("it has no piece for unknown characters"));
    };
    let vocab = model.pieces.iter().map(|piece| (piece.text.clone(), f64::from(piece.score))).collect();
    let unigram = Unigram::from(vocab, Some(unknown), trainer.byte_fallback).map_err(io::Error::other)?;

    let mut tokenizer = Tokenizer::new(unigram);
    let normalizer = model.normalizer.unwrap_or_default();
    if !normalizer.precompiled_charsmap.is_empty() {
        let charsmap = charsmap_from_bytes(&normalizer.precompiled_charsmap)?;
        tokenizer.with_normalizer(Some(charsmap)).map_err(io::Error::other)?;
    }
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(&normalizer)));
    add_special_pieces(&mut tokenizer, &model.pieces)?;
    Ok(tokenizer)
}

/// The map of characters to what they count as: the length of a trie, the trie, and the texts it points to.
fn charsmap_from_bytes(bytes: &[u8]) -> io::Result<Precompiled> {
    // the reader trusts the length, and that there is a first node
    let trie_len = bytes.first_chunk().map_or(0, |&len| u32::from_le_bytes(len) as usize);
    if trie_len < size_of::<u32>() || bytes.len() - size_of::<u32>() < trie_len {
        return Err(io::Error::other("its character map is cut off"));
    }
    Precompiled::from(bytes).map_err(io::Error::other)
}

/// Words apart, each with the mark of a space before it.
fn pre_tokenizer(normalizer: &NormalizerSpec) -> Sequence {
    let prepend = match normalizer.add_dummy_prefix {
        Some(false) => PrependScheme::Never,
        Some(true) | None => PrependScheme::Always,
    };
    let mut steps = Vec::new();
    if normalizer.remove_extra_whitespaces != Some(false) {
        steps.push(PreTokenizerWrapper::WhitespaceSplit(WhitespaceSplit));
    }
    steps.push(PreTokenizerWrapper::Metaspace(Metaspace::new(SPACE_MARK, prepend, true)));
    Sequence::new(steps)
}

/// Pieces that are found in the text as they are written, before anything else: `</s>`, `<pad>`, `<extra_id_0>`.
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
        let trainer = TrainerSpec { model_type: Some(model_type), byte_fallback: false };
        let normalizer = NormalizerSpec {
            precompiled_charsmap: charsmap.to_vec(),
            add_dummy_prefix: None,
            remove_extra_whitespaces: None,
        };
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
