//! Checkpoints with made-up weights under the official names and shapes, in every layout.
//!
//! For tests, for measuring, and for trying a setup before tens of gigabytes are fetched. The videos are noise.

pub(super) mod configs;
pub(super) mod encode;
mod file;
mod layout;
mod numbers;
mod shapes;
mod write;

pub use file::Filling;
pub use layout::{Plan, SynthDtype, SynthLayout, SynthPart, plan};
pub use shapes::{Shapes, SynthModel};
