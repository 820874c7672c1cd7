//! Checkpoints in fp32 on a card that computes in 16 bits.

use super::{Card, MIB, errors, events, synthetic_in};

/// Large fp32 matrices are narrowed into the cache, a few pieces at a time, so that main memory never holds them in both
/// types, as it would if ONNX Runtime cast them.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn an_fp32_checkpoint_is_narrowed_before_it_is_loaded() {
    /// Bytes of the matrices of two blocks in bf16, 624 MiB, which a cast would hold beside the rest of the program.
    const BLOCKS: u64 = 2 * 2 * (8 * 3072 * 3072 + 2 * 3072 * 14_336);
    let maker = Card::new();
    let model = synthetic_in(&maker, "ti2v-5B", "fp32", "2");
    let card = Card::new();
    let run = || {
        let clip = ["--model", model.to_str().unwrap(), "--size", "64x64", "--frames", "1", "--steps", "1"];
        let run = card.generate(&[&clip[..], &["--guidance", "1"]].concat());
        assert!(run.status.success(), "{}", errors(&run));
        let events = events(&run);
        events.iter().filter_map(|said| said["message"].as_str()).collect::<Vec<_>>().join("\n")
    };
    let first = run();
    assert!(first.contains("Repacking the transformer from fp32 to bf16, once for all jobs"), "{first}");
    std::fs::remove_file(card.log()).unwrap();
    // the second run has the embeddings of its prompt, so that the transformer is what it loads first
    let second = run();
    assert!(!second.contains("Repacking"), "{second}");
    for said in [first, second] {
        assert!(said.contains("The transformer computes with bf16 repacked from fp32"), "{said}");
    }
    let record = card.record();
    let host = record.of("host").filter_map(|bytes| bytes.parse::<u64>().ok()).max().unwrap();
    assert!(host < BLOCKS, "{} MiB of main memory", host / MIB);
}
