//! A form for the tests.

use crate::core::testing::draft;
use crate::core::{Draft, Resolution};

/// What a new form has in T2V or I2V: 40 steps, 1280x720, 81 frames.
pub(super) fn form() -> Draft {
    Draft {
        prompt: "a cat".into(),
        model: "t2v-A14B".into(),
        seed: 0,
        steps: 40,
        guidance: 4.0,
        guidance_low: Some(3.0),
        shift: 12.0,
        size: Resolution::new(1280, 720),
        frames: 81,
        fps: 16,
        ..draft()
    }
}
