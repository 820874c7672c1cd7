//! Whole videos, made in this process by the real pipeline.

#[path = "../common/mod.rs"]
mod common;

mod ahead;
mod asked;
mod cfg_parallel;
mod forms;
mod gguf;
mod image_to_video;
mod kept_between_runs;
mod scales;
mod step_cache;
mod text_to_video;
mod toy_model;
mod vae_tiles;
