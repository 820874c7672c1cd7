//! The program's files: data folder, journal, locks, settings and cached tensors.

mod data_dir;
mod journal;
mod lock;
mod settings;
mod tensor_cache;
mod tensor_file;
mod whole_file;

pub use data_dir::{DATA_DIR_VARIABLE, choose_data_dir, default_data_dir};
pub use journal::{Damage, Journal, JournalUpdate, Locked};
pub use lock::HeldLock;
pub use settings::{
    ErrorSettings, GenerationSettings, HardwareSettings, Imported, ModeLimits, ModeSettings, ModelSettings,
    MonitorSettings, Offload, OptimizationSettings, RecordSettings, SettingInfo, SettingKind, Settings,
    setting_info, settings_info,
};
pub use tensor_cache::StoredTensors;
pub use tensor_file::{TensorMetadata, read_tensors, write_tensors};
pub use whole_file::write_whole;
