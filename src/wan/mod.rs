//! The Wan model family: configurations, graphs of its components, and the mathematics between them.
//!
//! It does not know folders, threads, sessions or the interface.

mod checkpoint;
mod config;
mod config_limits;
mod distilled;
pub mod exported;
mod family;
pub mod graphs;
pub mod infer;
mod latents;
pub mod lora;
pub mod names;
pub mod noise;
pub mod parameters;
pub mod rope;
pub mod schedule;
pub mod text;
pub mod tiles;
pub mod vae_cost;

pub use checkpoint::{Checkpoint, Component};
pub use config::{ModelIndex, OriginalConfig, TextEncoderConfig, TransformerConfig, VaeConfig};
pub use config_limits::CheckConfig;
pub use distilled::{Distilled, DistilledSettings, KeptSettings};
pub use family::Family;
pub use vae_cost::VaeSplit;
