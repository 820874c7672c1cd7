//! Presets: named settings of a model, stored as RON files.

mod field;
mod own;
mod preset;
mod preset_lora;
mod shipped;

pub use field::{DraftSeeds, PresetField};
pub use own::{export_preset, find_preset, own_presets, read_preset, remove_preset, save_preset};
pub use preset::{Preset, PresetDocument, PresetFields, PresetOrigin, VERSION};
pub use preset_lora::{PresetLora, lora_identity};
pub use shipped::{by_name, for_mode, for_model, shipped};
