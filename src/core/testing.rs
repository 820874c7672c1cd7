//! Fixtures for unit tests.

use super::{
    ComponentFiles, DeviceChoices, Draft, PrecisionChoice, ProviderChoice, Resolution, Sampler, WeightsChoice,
};

/// A small valid draft for text to video.
pub(crate) fn draft() -> Draft {
    Draft {
        prompt: "a red circle".into(),
        negative_prompt: String::new(),
        model: "toy".into(),
        mode: None,
        start_image: None,
        end_image: None,
        continue_from: None,
        seed: 1,
        steps: 20,
        guidance: 2.0,
        guidance_low: None,
        shift: 3.0,
        sampler: Sampler::UniPc,
        step_list: None,
        size: Resolution::new(64, 64),
        frames: 17,
        fps: 8,
        provider: ProviderChoice::Auto,
        precision: PrecisionChoice::Auto,
        loras: Vec::new(),
        vae_tile: None,
        weights: WeightsChoice::Auto,
        components: ComponentFiles::default(),
        devices: DeviceChoices::default(),
        latents_in: None,
        step_cache: None,
        boundary: None,
    }
}
