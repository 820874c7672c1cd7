//! Weights that pass through the memory of the device, a block at a time: what is copied, and how much memory it takes.

use serde_json::Value;

use super::{Card, MIB, errors, events, of, synthetic_in};

/// With `--weights streamed`, the weights of the blocks travel to the device in every pass, and two of them are there at
/// once.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn streamed_weights_take_the_memory_of_two_blocks() {
    /// Weights of the matrices of a block of A14B in bf16.
    const BLOCK: u64 = 2 * (8 * 5120 * 5120 + 2 * 5120 * 13824);
    const STEPS: u64 = 2;
    let maker = Card::new();
    let streamed = |layers: u64| {
        let model = synthetic_in(&maker, "t2v-A14B", "bf16", &layers.to_string());
        let run = |weights: &str| {
            let clip = ["--model", model.to_str().unwrap(), "--size", "64x64", "--frames", "1"];
            let steps = ["--steps", "2", "--guidance", "1", "--boundary", "0", "--weights", weights];
            let card = Card::new();
            let run = card.generate(&[&clip[..], &steps].concat());
            assert!(run.status.success(), "{}", errors(&run));
            card.record()
        };
        let (record, loaded) = (run("streamed"), run("packed"));
        let uploaded: u64 = record.of("upload").filter_map(|bytes| bytes.parse::<u64>().ok()).sum();
        // each pass reads every block, and the first of the next pass
        let expected = BLOCK * (STEPS * layers + 1);
        assert!((expected..expected * 101 / 100).contains(&uploaded), "{uploaded} of {expected}");
        // only what is loaded once
        assert_eq!(record.large_pageable_copies(), loaded.large_pageable_copies());
        record.peak()
    };
    let (few, many) = (streamed(3), streamed(6));
    assert!(many < few + BLOCK / 20, "{few} {many}");
}

/// The peak of a run in bytes, what its preflight says of the stage that takes most, the bytes that were streamed, and what
/// the job said.
struct Measured {
    peak: u64,
    forecast: u64,
    streamed: u64,
    notes: Vec<String>,
}

impl Measured {
    /// Runs `model` with the settings `args` on a card of `gib`, without guidance if they say nothing of it.
    fn of(model: &str, args: &[&str], gib: u64) -> Self {
        Self::run(model, args, gib, |card, args| {
            let run = card.generate(args);
            assert!(run.status.success(), "{args:?}: {}", errors(&run));
            events(&run)
        })
    }

    /// The same, up to the decode.
    fn of_denoising(model: &str, args: &[&str], gib: u64) -> Self {
        Self::run(model, args, gib, Card::generate_until_decode)
    }

    fn run(model: &str, args: &[&str], gib: u64, generate: impl Fn(&Card, &[&str]) -> Vec<Value>) -> Self {
        let card = Card::new().with("RECORDER_MEMORY_MIB", (gib * 1024).to_string());
        let boundary = if model.contains("5B") { &[][..] } else { &["--boundary", "0"] };
        let guidance = if args.contains(&"--guidance") { &[][..] } else { &["--guidance", "1"] };
        let args = [&["--model", model, "--steps", "1"][..], guidance, boundary, args].concat();
        let events = generate(&card, &args);
        let record = card.record();
        let notes =
            of(&events, "note").filter_map(|note| Some(note["message"].as_str()?.to_owned())).collect();
        let dry_run = ["generate", "a", "--provider", "cuda", "--dry-run", "--json"];
        let plan = card.run(&[&dry_run[..], &args].concat());
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let stages = plan["device"].as_array().unwrap();
        let forecast = stages.iter().filter_map(|stage| stage["peak_mb"].as_f64()).fold(0.0, f64::max);
        let streamed = record.of("upload").filter_map(|bytes| bytes.parse::<u64>().ok()).sum();
        Self { peak: record.peak(), forecast: (forecast * MIB as f64) as u64, streamed, notes }
    }

    /// The part of the forecast that was taken. The rest is the margin, and the context, which the recorder has not.
    fn share(&self) -> f64 {
        self.peak as f64 / self.forecast as f64
    }

    /// The part that was taken of the forecast without margin and context, if `weights` of the peak have no margin.
    fn share_of_values(&self, weights: u64) -> f64 {
        /// What a device's context takes, and the margin: as in `preflight/device.rs`.
        const CONTEXT: u64 = 700 * MIB;
        const MARGIN_PERCENT: u64 = 10;
        let values = (self.forecast - weights) * 100 / (100 + MARGIN_PERCENT) - CONTEXT;
        self.peak as f64 / (weights + values) as f64
    }
}

/// The peak is what the formulas say, within 5 %, whether the weights stay on the device or pass through it, and whether all
/// rows are computed at once or in chunks.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn the_peak_of_denoising_is_forecast_within_five_percent() {
    let mut wrong = Vec::new();
    // with the MiB of two blocks and of what is before and behind them, and the GiB of the card
    for (like, dtype, layers, size, frames, more, weights, gib) in [
        ("t2v-A14B", "bf16", "2", "832x480", "41", &[][..], 1784, 80),
        ("t2v-A14B", "bf16", "2", "832x480", "41", &["--precision", "fp32"], 3569, 80),
        ("t2v-A14B", "bf16", "8", "832x480", "41", &["--weights", "streamed"], 1784, 80),
        // in four chunks and in two, streamed unasked; with guidance, a velocity waits while the second pass computes
        ("t2v-A14B", "bf16", "8", "832x480", "49", &["--guidance", "4"], 1784, 5),
        ("t2v-A14B", "fp8_scaled", "10", "832x480", "41", &[], 1114, 5),
        ("t2v-A14B", "fp8_scaled", "2", "832x480", "41", &[], 1114, 80),
        ("ti2v-5B", "bf16", "2", "1280x704", "81", &[], 796, 80),
    ] {
        let card = Card::new();
        let model = synthetic_in(&card, like, dtype, layers);
        // the decode takes less than denoising
        let tile = if like == "ti2v-5B" || gib < 80 { "128" } else { "256" };
        let clip = ["--size", size, "--frames", frames, "--vae-tile", tile];
        let measured = Measured::of_denoising(model.to_str().unwrap(), &[&clip[..], more].concat(), gib);
        let share = measured.share_of_values(weights * MIB);
        let what = format!("{like} {dtype} {more:?} {gib} GiB");
        let found = format!("{what}: {share:.3}, {} of {} MiB", measured.peak / MIB, measured.forecast / MIB);
        println!("{found}");
        if !(0.95..1.05).contains(&share) {
            wrong.push(found);
        }
        assert!(measured.forecast <= gib << 30 && measured.peak < gib << 30, "{what}: {}", measured.peak);
        assert_eq!(measured.streamed > 0, layers != "2", "{what}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A14B makes the largest clip of its usual size on a card of 8 GiB: in chunks of rows, with weights that are streamed unasked.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn eight_gib_are_enough_for_a14b() {
    let card = Card::new();
    let clip = ["--size", "832x480", "--frames", "81", "--vae-tile", "128"];
    let model = synthetic_in(&card, "t2v-A14B", "bf16", "16");
    let measured = Measured::of_denoising(model.to_str().unwrap(), &clip, 8);
    assert!(measured.streamed > 0);
    let chunks = "The transformer computes its tokens in 2 chunks, to save memory".to_owned();
    assert!(measured.notes.contains(&chunks), "{:?}", measured.notes);
    let share = measured.share_of_values(1784 * MIB);
    assert!((0.95..1.05).contains(&share), "{share} of {} MiB", measured.forecast / MIB);
    assert!(measured.forecast <= 8 << 30 && measured.share() < 1.0, "{}", measured.forecast);
}

/// An image is encoded in the memory of one tile, however many there are.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn the_tiles_of_an_image_are_encoded_one_after_the_other() {
    let card = Card::new();
    let model = synthetic_in(&card, "i2v-A14B", "bf16", "1");
    let image = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/input.png");
    let clip =
        ["--image", image.to_str().unwrap(), "--size", "832x480", "--frames", "9", "--vae-tile", "128"];
    let measured = Measured::of(model.to_str().unwrap(), &clip, 80);
    assert!(measured.share() < 1.0, "{} of {} MiB", measured.peak / MIB, measured.forecast / MIB);
}

/// A card that holds a few blocks of the text encoder and not all of them gets them one after the other, unasked.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_text_encoder_that_does_not_fit_is_streamed() {
    /// Weights of the matrices of a block of UMT5 in bf16: four of attention, three of the feed-forward.
    const BLOCK: u64 = 2 * (4 * 4096 * 4096 + 3 * 4096 * 10240);
    let maker = Card::new();
    let model = maker.dir.path().join("model");
    let made = maker.run(&[
        "models",
        "synth",
        model.to_str().unwrap(),
        "--like",
        "t2v-A14B",
        "--layers",
        "1",
        "--text-layers",
        "8",
        "--vocab",
        "1000",
        "--dtype",
        "bf16",
        "--layout",
        "diffusers",
        "--sparse",
    ]);
    assert!(made.status.success(), "{}", errors(&made));
    let model = model.to_str().unwrap();
    let clip = ["--size", "64x64", "--frames", "1"];
    let loaded = Measured::of(model, &clip, 80);
    assert_eq!(loaded.streamed, 0);
    let streamed = Measured::of(model, &clip, 3);
    // both passes of a prompt and the next one's first block
    assert!((8 * BLOCK..10 * BLOCK).contains(&streamed.streamed), "{} of {BLOCK}", streamed.streamed);
    assert!(streamed.peak + 4 * BLOCK < loaded.peak, "{} {}", streamed.peak, loaded.peak);
    assert!(streamed.peak < 3 << 30 && streamed.share() < 1.0, "{} of {}", streamed.peak, streamed.forecast);
    let card = Card::new().with("RECORDER_MEMORY_MIB", "3072");
    let run = card.generate(&[&["--model", model, "--steps", "1"][..], &clip].concat());
    let events = events(&run);
    let mut said = of(&events, "note").filter_map(|said| said["message"].as_str());
    let words = "The text encoder's weights are streamed to the GPU in every pass, a block at a time";
    assert!(said.any(|said| said.starts_with(words)), "{events:?}");
}
