//! A form for the tests.

use crate::core::{Draft, PrecisionChoice, ProviderChoice, Resolution, Sampler, WeightsChoice};

/// What a new form has in T2V or I2V: 40 steps, 1280x720, 81 frames.
pub(super) fn form() -> Draft {
    Draft {
        prompt: "a cat".into(),
        negative_prompt: String::new(),
        model: "t2v-A14B".into(),
        mode: None,
        image: None,
        last_image: None,
        continue_from: None,
        seed: 0,
        steps: 40,
        guidance: 4.0,
        guidance_low: Some(3.0),
        shift: 12.0,
        sampler: Sampler::UniPc,
        step_list: None,
        size: Resolution::new(1280, 720),
        frames: 81,
        fps: 16,
        provider: ProviderChoice::Auto,
        precision: PrecisionChoice::Auto,
        loras: Vec::new(),
        vae_tile: None,
        weights: WeightsChoice::Auto,
    }
}
