//! One job from request to frames, stage by stage, telling its story as it goes.
//!
//! A request and a checkpoint go in; events, frames and the final latent come out. Of files it
//! knows the LoRAs that a request names; it knows neither queues nor screens.

mod cache;
mod computation;
mod conditions;
mod decode;
mod denoise;
mod encode_image;
mod encode_stream;
mod encode_text;
mod encode_whole;
mod exported;
mod generate;
mod loras;
mod preview;
mod preview_draw;
mod preview_fit;
mod stitch;
mod story;

pub use cache::TensorCache;
pub use computation::Computation;
pub use decode::FrameSink;
pub use denoise::{DenoiseState, Flow, Gate};
pub use encode_image::Pictures;
pub use generate::{Pipeline, Prepared, denoise_steps};
pub use loras::Loras;
pub use story::Story;
