//! Presets: named settings of a model, stored as RON files.

mod preset;
mod shipped;

pub use preset::{Preset, PresetFields};
pub use shipped::{by_name, for_mode, for_model, shipped};
