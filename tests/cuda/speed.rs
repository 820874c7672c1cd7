//! What a step passes over, by the kernels of the record.

use super::{Card, Record, errors};

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
