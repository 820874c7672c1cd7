//! The host's mathematics of Wan against diffusers, transformers and torch (tests/golden/make.py).

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

use std::fs;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::Value;
use wandeck::core::{FlowShift, Sampler, Seed, StepCount};
use wandeck::wan::noise::standard_normal;
use wandeck::wan::schedule::Solver;
use wandeck::wan::text::{Tokenizer, clean};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = tensors.tensor(name).unwrap();
    assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}");
    view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

#[test]
fn noise_is_torchs_to_the_bit() {
    let bytes = fs::read(golden("refs/noise.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for name in tensors.names() {
        // s{seed}_n{len}, with _first64 or _last64 where only a part was kept
        let (seed, rest) = name[1..].split_once("_n").unwrap();
        let (len, part) = rest.split_once('_').unwrap_or((rest, ""));
        let ours = standard_normal(Seed(seed.parse().unwrap()), len.parse().unwrap());
        let theirs = floats(&tensors, name);
        let ours = match part {
            "first64" => &ours[..64],
            "last64" => &ours[ours.len() - 64..],
            _ => &ours[..],
        };
        assert!(ours == theirs, "{name} differs");
    }
    assert!(tensors.len() >= 24, "{} tensors of noise", tensors.len());
}

#[test]
fn fewer_than_16_values_are_drawn_as_torch_does() {
    // torch.randn(n, generator=torch.Generator().manual_seed(42)) for n = 1, 2, 3
    assert_eq!(standard_normal(Seed(42), 1), SMALL[..1]);
    assert_eq!(standard_normal(Seed(42), 2), SMALL[..2]);
    assert_eq!(standard_normal(Seed(42), 3), SMALL);
    assert!(standard_normal(Seed(42), 0).is_empty());
}
const SMALL: [f32; 3] = [0.336_690_37, 0.128_809_4, 0.234_462_37];

#[test]
fn trajectories_are_those_of_diffusers() {
    let bytes = fs::read(golden("refs/schedule.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let names = tensors.names();
    let keys: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".x")).collect();
    assert!(keys.len() >= 18, "{} schedules", keys.len());
    for key in keys {
        // {sampler}_{steps}_{shift}
        let [sampler, steps, shift] = key.split('_').collect::<Vec<_>>().try_into().unwrap();
        let sampler: Sampler = serde_json::from_value(sampler.into()).unwrap();
        let steps = StepCount(steps.parse().unwrap());
        let shift = FlowShift(shift.parse().unwrap());
        let mut solver = Solver::new(sampler, steps, shift);
        assert_eq!(solver.timesteps(), floats(&tensors, &format!("{key}.timesteps")), "{key}");
        assert_eq!(solver.sigmas().levels(), floats(&tensors, &format!("{key}.sigmas")), "{key}");
        let mut x = floats(&tensors, &format!("{key}.x"));
        let velocities = floats(&tensors, &format!("{key}.v"));
        let samples = floats(&tensors, &format!("{key}.samples"));
        let scale = samples.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        let rows = velocities.chunks_exact(x.len()).zip(samples.chunks_exact(x.len()));
        for (step, (velocity, expected)) in rows.enumerate() {
            solver.step(velocity, &mut x);
            for (ours, theirs) in x.iter().zip(expected) {
                assert!((ours - theirs).abs() <= 1e-6 * scale, "{key} step {step}: {ours} for {theirs}");
            }
        }
        assert_eq!(solver.done(), steps.0 as usize);
    }
}

#[test]
fn prompts_become_the_same_tokens_by_both_files() {
    const MAX_TOKENS: usize = 512;
    let folder = golden("models/tiny-t2v/tokenizer");
    let from_json = Tokenizer::open(&folder).unwrap();
    let only_model = tempfile::tempdir().unwrap();
    fs::copy(folder.join("spiece.model"), only_model.path().join("spiece.model")).unwrap();
    let from_model = Tokenizer::open(only_model.path()).unwrap();
    let index = json("refs/text.json");
    let mut num_truncated = 0;
    for case in index.as_array().unwrap() {
        let text = clean(case["raw"].as_str().unwrap());
        assert_eq!(text, case["cleaned"].as_str().unwrap());
        let ids: Vec<i64> = serde_json::from_value(case["ids"].clone()).unwrap();
        for tokenizer in [&from_json, &from_model] {
            let ours = tokenizer.encode(&text, MAX_TOKENS).unwrap();
            assert_eq!(ours.ids, ids, "{text}");
            assert!(!ours.truncated || ours.ids.len() == MAX_TOKENS);
            num_truncated += u32::from(ours.truncated);
        }
    }
    assert!(num_truncated >= 2, "a long prompt is among them");
}

/// Protobuf of a piece of the kind `BYTE` (6), to be appended to a `spiece.model`.
fn byte_piece(byte: u8) -> Vec<u8> {
    let mut piece = vec![0x0a, 6];
    piece.extend(format!("<0x{byte:02X}>").bytes());
    piece.extend([0x18, 6]);
    [vec![0x0a, piece.len() as u8], piece].concat()
}

#[test]
fn a_sentencepiece_model_is_read_as_t5_reads_it_whatever_its_flags() {
    // UMT5's own model falls back to bytes, which transformers' T5 tokenizer does not
    const STRANGER: &str = "🦤";
    const BYTE_FALLBACK: [u8; 5] = [0x12, 3, 0x98, 0x02, 1];
    const NO_PREFIX_AND_ALL_SPACES: [u8; 6] = [0x1a, 4, 0x18, 0, 0x20, 0];
    let folder = golden("models/tiny-t2v/tokenizer");
    let from_json = Tokenizer::open(&folder).unwrap();
    let mut model = fs::read(folder.join("spiece.model")).unwrap();
    model.extend(STRANGER.bytes().flat_map(byte_piece));
    model.extend(BYTE_FALLBACK);
    model.extend(NO_PREFIX_AND_ALL_SPACES);
    let only_model = tempfile::tempdir().unwrap();
    fs::write(only_model.path().join("spiece.model"), model).unwrap();
    let from_model = Tokenizer::open(only_model.path()).unwrap();
    for text in [format!("a {STRANGER} moves"), "a red circle".into(), " two  spaces \u{200b} ".into()] {
        let theirs = from_json.encode(&text, 512).unwrap();
        assert_eq!(from_model.encode(&text, 512).unwrap(), theirs, "{text}");
    }
    let unknown = from_json.encode(STRANGER, 512).unwrap().ids;
    assert!(unknown.contains(&2), "{STRANGER} is no piece of the golden model: {unknown:?}");
}

#[test]
fn a_text_of_just_the_right_length_is_whole() {
    let tokenizer = Tokenizer::open(&golden("models/tiny-t2v/tokenizer")).unwrap();
    let whole = tokenizer.encode("a red circle", 512).unwrap();
    let same = tokenizer.encode("a red circle", whole.ids.len()).unwrap();
    assert_eq!((same.truncated, &same.ids), (false, &whole.ids));
    let cut = tokenizer.encode("a red circle", whole.ids.len() - 1).unwrap();
    assert!(cut.truncated);
    assert_eq!((cut.ids.len(), cut.ids.last()), (whole.ids.len() - 1, Some(&1)));
    assert_eq!(tokenizer.encode("a red circle", 0).unwrap().ids, [1]);
}
