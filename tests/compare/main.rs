//! Comparison of videos.

#[path = "../common/mod.rs"]
mod common;

mod metrics;
