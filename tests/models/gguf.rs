//! GGUF files: blocks against the numbers of the `gguf` package, names of Wan and UMT5, damaged headers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use wandeck::core::{CancelToken, Kind};
use wandeck::models;
use wandeck::models::convert::{ConversionOptions, ConversionTarget, convert};
use wandeck::models::synth::{SynthDtype, SynthLayout, SynthModel};
use wandeck::onnx::{BlockType, RowReader, StoredForm, Weights};
use wandeck::wan::names::{ComponentKind, Naming, recognise};
use wandeck::wan::text::Tokenizer;

use crate::common;
use crate::common::layouts::{narrow, write};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf").join(name)
}

fn open(name: &str) -> Weights {
    Weights::from_files(&[golden(name)]).unwrap()
}

fn bits(weights: &Weights, name: &str) -> Vec<u32> {
    let reader = RowReader::new(weights, name).unwrap();
    reader.values(0..reader.num_values()).unwrap().into_iter().map(f32::to_bits).collect()
}

/// Checks that `found` has the tensors of `expected`: same names, shapes and bits.
fn assert_same(found: &Weights, expected: &Weights) {
    let names = |weights: &Weights| weights.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, info) in expected.iter() {
        assert_eq!(found.get(name).unwrap().shape, info.shape, "{name}");
        let (found, expected) = (bits(found, name), bits(expected, name));
        let wrong = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!((found.len(), wrong), (expected.len(), 0), "{name}");
    }
}

#[test]
fn every_block_type_is_read_to_the_last_bit() {
    let (found, expected) = (open("blocks.gguf"), open("blocks.safetensors"));
    assert_same(&found, &expected);
    for kind in BlockType::ALL {
        let info = found.get(kind.word()).unwrap();
        assert_eq!((info.form.clone(), info.form_word()), (StoredForm::Blocks(kind), kind.word()));
    }
    // rows in the middle
    let reader = RowReader::new(&found, "Q4_K").unwrap();
    let all = reader.values(0..reader.num_values()).unwrap();
    assert_eq!(reader.values(512..1024).unwrap(), all[512..1024]);
}

#[test]
fn components_are_known_by_their_names_in_wan_and_in_llama_cpp() {
    for (name, kind, naming) in [
        ("wan", ComponentKind::Transformer, Naming::Original),
        ("umt5", ComponentKind::TextEncoder, Naming::Llama),
    ] {
        let found = recognise(&open(&format!("{name}.gguf"))).unwrap().remove(0);
        assert_eq!((found.kind, found.naming, found.unknown.len()), (kind, naming, 0), "{name}");
        assert!(found.weights.needs_repack());
        assert_same(&found.weights, &open(&format!("{name}.safetensors")));
    }
}

#[test]
fn a_scale_that_is_no_number_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let mut bytes = std::fs::read(golden("blocks.gguf")).unwrap();
    let info = open("blocks.gguf").get("Q8_0").unwrap().clone();
    // an fp16 NaN as the scale of the second block
    let at = info.offset as usize + BlockType::Q80.bytes();
    bytes[at..at + 2].copy_from_slice(&[0x00, 0x7E]);
    std::fs::write(&path, bytes).unwrap();
    let weights = Weights::from_files(&[path]).unwrap();
    let reader = RowReader::new(&weights, "Q8_0").unwrap();
    let values = reader.raw_values(0..reader.num_values()).unwrap();
    assert_eq!(values.iter().filter(|value| value.is_nan()).count(), BlockType::Q80.num_values());
    let error = reader.values(0..reader.num_values()).unwrap_err();
    assert_eq!(error.kind, Kind::CorruptModel);
    assert!(error.message.contains("Q8_0"), "{error}");
}

/// The error for a file with these bytes.
fn refused(bytes: &[u8]) -> wandeck::core::Error {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, bytes).unwrap();
    Weights::from_files(&[path]).unwrap_err()
}

#[test]
fn every_damage_of_a_header_is_an_error() {
    let whole = std::fs::read(golden("umt5.gguf")).unwrap();
    let put = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (what, bytes, kind, words) in [
        ("version 1", put(4, &[1, 0, 0, 0]), Kind::Unsupported, "a GGUF file of version 1"),
        ("big-endian", put(4, &[0, 0, 0, 3]), Kind::Unsupported, "a big-endian GGUF file"),
        ("too many tensors", put(8, &u64::MAX.to_le_bytes()), Kind::CorruptModel, "header is damaged"),
        ("too many keys", put(16, &u64::MAX.to_le_bytes()), Kind::CorruptModel, "header is damaged"),
        ("a key that never ends", put(24, &u64::MAX.to_le_bytes()), Kind::CorruptModel, "header is damaged"),
        ("cut in the tensors", whole[..whole.len() - 64].to_vec(), Kind::CorruptModel, "at least"),
        ("cut in the header", whole[..2000].to_vec(), Kind::CorruptModel, "damaged or truncated"),
    ] {
        let error = refused(&bytes);
        assert_eq!(error.kind, kind, "{what}: {error:#}");
        assert!(format!("{error:#}").contains(words), "{what}: {error:#}");
    }
}

#[test]
fn no_flipped_byte_of_a_header_panics_or_takes_memory() {
    let whole = std::fs::read(golden("wan.gguf")).unwrap();
    let header = 6000.min(whole.len());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let mut refused = 0;
    for at in (0..header).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 0xFF;
        std::fs::write(&path, &changed).unwrap();
        refused += usize::from(
            Weights::from_files(std::slice::from_ref(&path)).and_then(|w| recognise(&w)).is_err(),
        );
    }
    assert!(refused > 100, "{refused} of {} refused", header / 7);
}

/// Token ids of a prompt.
fn ids(tokenizer: &Path, prompt: &str) -> Vec<i64> {
    Tokenizer::open(tokenizer).unwrap().encode(prompt, 512).unwrap().ids
}

#[test]
fn the_tokenizer_inside_a_gguf_file_gives_the_tokens_of_the_one_it_was_made_from() {
    let source = common::golden_model("tiny-t2v").join("tokenizer");
    for prompt in ["", "a red circle", "  Ünïcode,\tﬁne ½ 猫 </s> <pad>x"] {
        assert_eq!(ids(&golden("umt5_tokens.gguf"), prompt), ids(&source, prompt), "{prompt}");
    }
    // lists of tokens without their kind are no tokenizer
    assert_eq!(Tokenizer::open(&golden("umt5.gguf")).unwrap_err().kind, Kind::MissingModel);
}

#[test]
fn a_gguf_text_encoder_with_a_tokenizer_needs_none_beside_it() {
    let (dir, small) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, encoders) = (dir.path(), dir.path().join("text_encoders"));
    let mut shapes = narrow(SynthModel::T2vA14b);
    shapes.transformer.text_dim = 32;
    write(&shapes, SynthLayout::Comfy, SynthDtype::Fp32, root);
    std::fs::remove_dir_all(&encoders).unwrap();
    std::fs::create_dir(&encoders).unwrap();
    let file = encoders.join("umt5-xxl-encoder-Q8_0.gguf");
    std::fs::copy(golden("umt5.gguf"), &file).unwrap();
    let error = models::open(root).unwrap_err();
    assert!(error.message.contains("No tokenizer found") && error.remedy_text().is_some(), "{error:#}");

    std::fs::copy(golden("umt5_tokens.gguf"), &file).unwrap();
    let model = models::open(root).unwrap();
    assert_eq!(model.tokenizer, file);
    let prompt = "a red circle";
    let source = common::golden_model("tiny-t2v").join("tokenizer");
    assert_eq!(ids(&model.tokenizer, prompt), ids(&source, prompt));
    // a converted copy has a tokenizer of its own, and the forms of GGUF become int8
    let to = small.path().join("int8");
    let options = ConversionOptions::new(ConversionTarget::Int8);
    convert(root, &to, options, &CancelToken::new(), &mut |_| {}).unwrap();
    let converted = models::open(&to).unwrap();
    assert_eq!(ids(&converted.tokenizer, prompt), ids(&source, prompt));
    // a tokenizer beside the file comes first
    std::fs::copy(source.join("tokenizer.json"), encoders.join("tokenizer.json")).unwrap();
    assert_eq!(models::open(root).unwrap().tokenizer, encoders);
}
