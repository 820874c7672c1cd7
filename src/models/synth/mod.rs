//! Writes synthetic checkpoints: random weights with the official names and shapes, in every layout.
//!
//! For tests, benchmarks, and trying out an installation before downloading tens of gigabytes. Their videos are noise.

pub(super) mod configs;
mod document;
mod file;
mod layout;
mod random;
mod shapes;
mod write;

pub use document::SynthDocument;
pub use file::SynthWeights;
pub use layout::{Plan, SynthComponent, SynthDtype, SynthLayout, plan};
pub use shapes::{Shapes, SynthModel};
