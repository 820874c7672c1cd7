//! The networks of a job: where each comes from, how it is loaded, and how long it stays loaded.
//!
//! The stages ask [`Networks`] for a component and give it back; they do not know whether its graph was built here or
//! exported elsewhere, or whether its session was loaded now or by an earlier job.

mod denoiser;
mod device_guidance;
mod engine_build;
mod frame_decoder;
mod image_encoder;
mod loader;
mod network;
mod prefetch;
mod session_ahead;
mod session_cache;
mod set;
mod text_encoder;

pub(super) use denoiser::{Denoiser, DenoiserInput, GuidancePass, TimestepForm};
pub(super) use frame_decoder::FrameDecoder;
pub(super) use image_encoder::{ImageEncoder, ImageEncoderSource};
pub(super) use loader::Loader;
pub(super) use prefetch::{Prefetch, PrefetchPlan};
pub use session_cache::{SessionCache, memory_of_sessions};
pub(super) use set::{Networks, VideoShape};
pub(super) use text_encoder::TextEncoder;
