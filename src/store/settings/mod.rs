//! Settings of the program, in `settings.ron` of the data folder.
//!
//! Settings apply to all videos; the values of one video are in its draft and its preset.

mod change;
mod document;
mod file;
mod import;
mod info;
mod modes;
mod sections;

pub use document::{ImportDocument, SettingsDocument, SettingsPathDocument};
pub use import::Imported;
pub use info::{SettingInfo, SettingKind, setting_info, settings_info};
pub use modes::{ModeLimits, ModeSettings};
pub use sections::{
    ErrorSettings, GenerationSettings, HardwareSettings, ModelSettings, MonitorSettings, Offload,
    OptimizationSettings, RecordSettings, Settings,
};
