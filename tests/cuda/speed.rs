//! What a step and a decode pass over, by the kernels and copies of the record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Card, MIB, Record, errors, events, of, synthetic, synthetic_in};

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
    // three of the residual stream, queries and keys of the tokens and of the text, and the head's
    assert_eq!(of_a_step(&["SkipLayerNorm"]), 7 * blocks + 1);
    assert_eq!(of_a_step(&["cuApplyLayerNorm"]), 0);
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
    // they have the type that the VAE computes in
    let (narrow, _) = decode(&["--precision", "fp16"]);
    assert!(narrow < whole * 6 / 10, "{narrow} of {whole}");
}

/// Sum of the bytes of a profile's tensors, `[{"float": [2, 3]}]`.
fn bytes_of(tensors: &Value) -> u64 {
    let bytes = |(kind, shape): (&String, &Value)| {
        let element = match kind.as_str() {
            "int64" => 8,
            "float16" | "bfloat16" => 2,
            "int8" | "uint8" | "bool" => 1,
            _ => 4,
        };
        element * shape.as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product::<u64>()
    };
    tensors.as_array().unwrap().iter().flat_map(|tensor| tensor.as_object().unwrap()).map(bytes).sum()
}

/// Bytes that the operations of the profile at `path` read and write on the device, by operation, beside products and
/// attention. A bias of a product is written over the result, and read again. As `benches/gpu/traffic.py` counts.
fn traffic(path: &str) -> BTreeMap<String, u64> {
    let trace: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut sums = BTreeMap::new();
    for event in &trace {
        let (args, name) = (&event["args"], event["name"].as_str().unwrap_or_default());
        let Some(op) = args["op_name"].as_str() else { continue };
        let is_view = ["Reshape", "Squeeze", "Unsqueeze", "Shape", "Identity"].contains(&op);
        if is_view || !name.ends_with("_kernel_time") || args["provider"] != "CUDAExecutionProvider" {
            continue;
        }
        let (inputs, outputs) = (&args["input_type_shape"], bytes_of(&args["output_type_shape"]));
        let smallest = inputs.as_array().unwrap().iter().map(|one| bytes_of(&Value::from(vec![one.clone()])));
        let bytes = match op {
            "Gemm" if inputs.as_array().unwrap().len() > 2 => 2 * outputs,
            // the permutation of the rotary embedding
            "MatMul" if smallest.min().unwrap() < MIB => bytes_of(inputs) + outputs,
            "Gemm" | "MatMul" | "MultiHeadAttention" => 0,
            "Gather" | "Slice" | "Split" => 2 * outputs,
            _ => bytes_of(inputs) + outputs,
        };
        *sums.entry(op.to_owned()).or_default() += bytes;
    }
    sums
}

/// How often a block passes over its activations in bf16, a token's width once, beside products and attention. In November
/// 2026 it was 107 times; 0.65 of that was the aim.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_block_passes_over_its_activations_seldom() {
    const TOKENS: u64 = 9 * 30 * 52;
    const PASS: u64 = TOKENS * 5120 * 2;
    let of_layers = |layers: &str| {
        let card = Card::new();
        let model = synthetic_in(&card, "t2v-A14B", "bf16", layers);
        let clip = ["--model", model.to_str().unwrap(), "--size", "832x480", "--frames", "33"];
        let run = card.generate(&[&clip[..], &["--steps", "1", "--guidance", "1", "--profile"]].concat());
        assert!(run.status.success(), "{}", errors(&run));
        let events = events(&run);
        let profiled = of(&events, "profiled").find(|event| event["network"] == "transformer").unwrap();
        traffic(profiled["path"].as_str().unwrap())
    };
    let (one, two) = (of_layers("1"), of_layers("2"));
    let mut passes: Vec<_> = two
        .iter()
        .map(|(op, bytes)| (op, (bytes - one.get(op).copied().unwrap_or_default()) as f64 / PASS as f64))
        .collect();
    passes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let sum: f64 = passes.iter().map(|(_, passes)| passes).sum();
    println!("{sum:.1} passes: {passes:.1?}");
    assert!(sum < 70.0, "{sum}: {passes:.1?}");
}
