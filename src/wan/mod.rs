//! The Wan family: configurations, graphs of its components, and the mathematics between them.
//!
//! It knows what Wan is and nothing about folders, threads, sessions or screens.

mod checkpoint;
mod config;
pub mod exported;
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
