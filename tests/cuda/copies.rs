//! What a job copies between main memory and the device, beside its weights.

use std::path::Path;

use super::{Card, Record, errors, synthetic};

/// Bytes of shapes, timesteps, strengths and the like.
const SMALL: u64 = 16 << 10;
/// Pixels of a frame.
const PIXELS: u64 = 480 * 832;
/// What a job copies once beside weights and what grows with its frames: the embeddings of two prompts of 512 tokens together,
/// from the text encoder and to the transformers, and an image.
const ONCE: u64 = 2 * 4 * 4096 * 512 + 3 * 4 * PIXELS;
/// A whole job copies less beside its weights.
const LIMIT: u64 = 500_000_000;

/// Copies of a run.
#[derive(Clone, Copy, Debug)]
struct Copied {
    /// Bytes in both directions, with the weights.
    bytes: u64,
    /// Number of large copies of memory that is not page-locked.
    large_pageable: usize,
}

impl Copied {
    fn of(record: &Record) -> Self {
        let places = ["pinned-device", "pageable-device", "device-pinned", "device-pageable"];
        let copies = places.iter().flat_map(|place| record.copies(place));
        Self { bytes: copies.sum(), large_pageable: record.large_pageable_copies() }
    }
}

/// A model, and what a job for it copies.
struct Case {
    like: &'static str,
    /// Values of a latent frame.
    values: u64,
    /// Tokens of a latent frame.
    tokens: u64,
    /// Bytes that an image adds for each latent frame.
    image: u64,
    /// Steps of a whole job.
    steps: u64,
}

/// In a step, one latent goes to the device and one velocity comes back, both in 16 bits and whatever the guidance. In a
/// chunk, one latent frame goes there and four frames of bytes come back. Weights and the first caches go there once, and for
/// both experts so do tables, embeddings and what images add.
///
/// Every step copies the same, and every latent frame: short runs tell how much, from which a whole job is added up.
#[test]
#[ignore = "needs the recorder: tests/cuda_recorder/run.sh"]
fn a_job_at_480p_copies_less_than_half_a_gigabyte_beside_its_weights() {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs/input.png");
    let maker = Card::new();
    let a14b = 16 * PIXELS / 64;
    // the mask and the encoded frame in 16 bits, and this frame back in 32
    let condition = 2 * (4 + 16) * PIXELS / 64 + 4 * a14b;
    for case in [
        Case {
            like: "ti2v-5B",
            values: 48 * PIXELS / 256,
            tokens: PIXELS / 1024,
            // in place of the first latent frame
            image: 0,
            steps: 50,
        },
        Case { like: "i2v-A14B", values: a14b, tokens: PIXELS / 256, image: condition, steps: 40 },
    ] {
        let model = synthetic(&maker, case.like);
        let copied = |steps: &str, frames: &str| {
            let card = Card::new();
            let model = ["--model", model.to_str().unwrap(), "--image", image.to_str().unwrap()];
            let clip = ["--size", "480x832", "--steps", steps, "--frames", frames];
            let run = card.generate(&[&model[..], &clip].concat());
            assert!(run.status.success(), "{}: {}", case.like, errors(&run));
            Copied::of(&card.record())
        };
        case.check([copied("2", "5"), copied("4", "5"), copied("2", "9")]);
    }
}

impl Case {
    /// Checks the copies of 2 steps of 2 latent frames, of 4 steps of as many, and of 2 steps of 3 latent frames.
    fn check(&self, [few, steps, frames]: [Copied; 3]) {
        let Self { like, values, tokens, image, .. } = *self;
        assert_eq!(steps.large_pageable, few.large_pageable, "{like}: steps");
        assert_eq!(frames.large_pageable, few.large_pageable, "{like}: frames");
        // latent and velocity in 16 bits
        let of_step = |latent_frames: u64| 2 * 2 * latent_frames * values;
        let step = (steps.bytes - few.bytes) / 2;
        assert!(step.abs_diff(of_step(2)) < SMALL, "{like}: {step} in a step, expected {}", of_step(2));
        // four frames in 8 bits, and two tables of 64 columns
        let once = 4 * 3 * PIXELS + 2 * 4 * 64 * tokens + image;
        let latent_frame = frames.bytes - few.bytes - 2 * of_step(1);
        assert!(latent_frame.abs_diff(once) < SMALL, "{like}: {latent_frame} in a frame, expected {once}");

        // the decoder reads its latent frame in main memory, which is no copy
        let of_frames = 21 * (latent_frame + 4 * values);
        let job = self.steps * (of_step(21) + SMALL) + of_frames + ONCE;
        assert!(job < LIMIT, "{like}: {job} bytes");
    }
}
