//! What a person sets once for the program, in `settings.ron` of the data folder.
//!
//! Each value is used by something; what belongs to one video is in its form and its preset instead.

mod change;
mod file;
mod import;
mod sections;

pub use import::Imported;
pub use sections::{
    ErrorSettings, GenerationSettings, HardwareSettings, ModelSettings, OptimizationSettings, RecordSettings,
    Settings,
};
