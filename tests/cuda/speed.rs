//! What a step and a decode pass over, by the kernels and copies of the record.

use super::{Card, MIB, Record, errors, synthetic};

/// Launches whose kernel has all of `words` in its name.
fn launches(record: &Record, words: &[&str]) -> usize {
    record.of("launch").filter(|launch| words.iter().all(|word| launch.contains(word))).count()
}

/// Launches of the toy's steps beyond the fourth, for each step.
fn of_a_step(words: &[&str]) -> usize {
    const MORE: usize = 8;
    let count = |steps: usize| {
        let card = Card::new();
        let run =
            card.generate(&["--model", "toy-t2v-A14B", "--steps", &steps.to_string(), "--guidance", "1"]);
        assert!(run.status.success(), "{}", errors(&run));
        launches(&card.record(), words)
    };
    (count(4 + MORE) - count(4)) / MORE
}

/// Each norm of the transformer adds what is before it, a residual or a bias, in one kernel, and GELU its bias.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn norms_add_what_is_before_them() {
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B/transformer");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(config.join("config.json")).unwrap()).unwrap();
    let blocks = config["num_layers"].as_u64().unwrap() as usize;
    // two of the residual stream, and queries and keys of the tokens and of the text
    assert_eq!(of_a_step(&["SkipLayerNorm"]), 6 * blocks);
    // the first of each block, and the head's
    assert_eq!(of_a_step(&["cuApplyLayerNorm"]), blocks + 1);
}

/// The caches of a tile begin as zeros that the device makes: more tiles bring no more copies.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn the_first_caches_of_a_decode_are_not_copied() {
    let maker = Card::new();
    let model = synthetic(&maker, "t2v-A14B");
    let decode = |more: &[&str]| {
        let card = Card::new();
        let clip = ["--model", model.to_str().unwrap(), "--size", "480x272", "--frames", "9", "--steps", "1"];
        let run = card.generate(&[&clip[..], &["--guidance", "1"], more].concat());
        assert!(run.status.success(), "{}", errors(&run));
        let record = card.record();
        let zeros: u64 = record.of("set").filter_map(|bytes| bytes.parse::<u64>().ok()).sum();
        (zeros, record.large_pageable_copies())
    };
    let (whole, copies) = decode(&[]);
    let (tiles, more_copies) = decode(&["--vae-tile", "256"]);
    assert!(whole > 128 * MIB && tiles > whole, "{whole} {tiles}");
    assert_eq!(copies, more_copies);
}
