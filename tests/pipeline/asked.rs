//! What a script of tests/golden asked of diffusers, as a draft.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wandeck::core::{Draft, Resolution};

use crate::common;

/// The request in a file of tests/golden/refs.
#[derive(Deserialize)]
pub(crate) struct Asked {
    pub(crate) model: String,
    prompt: String,
    negative_prompt: String,
    height: u32,
    width: u32,
    num_frames: u32,
    num_inference_steps: u32,
    guidance_scale: f32,
    guidance_scale_2: Option<f32>,
    shift: f32,
    seed: u64,
    image: Option<String>,
    last_image: Option<String>,
}

/// The folder of the references.
pub(crate) fn refs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refs")
}

impl Asked {
    pub(crate) fn draft(&self) -> Draft {
        let image = |name: &Option<String>| name.as_ref().map(|name| refs().join(name));
        Draft {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            model: self.model.clone(),
            start_image: image(&self.image),
            end_image: image(&self.last_image),
            seed: self.seed,
            steps: self.num_inference_steps,
            guidance: self.guidance_scale,
            guidance_low: self.guidance_scale_2,
            shift: self.shift,
            size: Resolution::new(self.width, self.height),
            frames: self.num_frames,
            ..common::draft()
        }
    }
}
