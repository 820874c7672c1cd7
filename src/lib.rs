//! Wandeck: a native workstation for making video with the Wan 2.2 models.
//!
//! Wan's components run as ONNX graphs through ONNX Runtime. The graphs are built in memory and their weights
//! point into the checkpoint's own safetensors files, so nothing is converted. ARCHITECTURE.md has the map.

pub mod app;
pub mod attempt;
pub mod cli;
pub mod core;
pub mod engine;
pub mod jobs;
pub mod library;
pub mod media;
pub mod models;
pub mod monitor;
pub mod onnx;
pub mod pipeline;
pub mod plan;
pub mod preflight;
pub mod presets;
pub mod queue;
pub mod store;
pub mod wan;
pub mod worker;
