//! Settings of the program, in `settings.ron` of the data folder.
//!
//! Settings apply to all videos; the values of one video are in its draft and its preset.

mod change;
mod file;
mod import;
mod sections;

pub use import::Imported;
pub use sections::{
    ErrorSettings, GenerationSettings, HardwareSettings, ModelSettings, MonitorSettings,
    OptimizationSettings, RecordSettings, Settings,
};
