//! One job from request to frames, stage by stage, with events as it goes.
//!
//! A request and a checkpoint go in; events, frames and the final latent come out. Of files it knows the LoRAs that a
//! request names; it knows neither queues nor screens.

mod ahead;
mod cache;
mod compute_plan;
mod conditions;
mod context;
mod decode;
mod decode_bands;
mod denoise;
mod encode_image;
mod encode_stream;
mod encode_text;
mod encode_whole;
mod exported;
mod following_expert;
mod generate;
mod loras;
mod memory_plan;
mod networks;
mod preview;
mod preview_draw;
mod preview_fit;
mod preview_map;
mod prompts;
mod repacked;
mod reporter;
mod rounded_parts;
mod schedule;
mod second_device;
mod step_cache;
mod stitch;

pub use ahead::Ahead;
pub use cache::{TensorCache, decides_video};
pub use compute_plan::ComputePlan;
pub use context::{Inputs, RunContext};
pub use decode::FrameSink;
pub use denoise::{DenoiseState, StepControl, StepHook};
pub use encode_image::InputImages;
pub use generate::{Pipeline, Prepared};
pub use loras::{Loras, ReadLora, lora_hash};
pub use memory_plan::{
    ComponentId, ComponentNeeds, ComponentPlan, Footprint, MemoryNeeds, MemoryPlan, Residency, RowPlan,
};
pub use networks::{SessionCache, memory_of_sessions};
pub use preview_map::kept_preview;
pub use prompts::prompts_of;
pub use repacked::RepackedModel;
pub use reporter::Reporter;
pub use rounded_parts::RoundedParts;
pub use schedule::denoise_steps;
pub use second_device::SecondDevice;
pub use step_cache::StepCache;
