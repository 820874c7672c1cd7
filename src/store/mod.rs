//! The program's files: data folder, journal, locks, settings and cached tensors.

mod checked_files;
mod data_dir;
mod desktop_entry;
mod journal;
mod lock;
mod log;
mod settings;
mod shared_file;
mod staged;
mod tensor_cache;
mod tensor_file;
mod weights_cache;
mod whole_file;

pub use checked_files::CheckedFiles;
pub use data_dir::{DATA_DIR_VARIABLE, choose_data_dir, default_data_dir};
pub use desktop_entry::{DESKTOP_FILE, DesktopEntryDocument, install_desktop_entry, remove_desktop_entry};
pub use journal::{Damage, Journal, JournalUpdate, Locked};
pub use lock::{HeldLock, lock_is_free, remove_free_lock};
pub use log::{LOG_FILE, LogLayer, LogLevel, LogLine, log_lines_after, log_to_file, record_log_line};
pub use settings::{
    ErrorSettings, GenerationSettings, HardwareSettings, ImportDocument, Imported, ModeLimits, ModeSettings,
    ModelSettings, MonitorSettings, Offload, OptimizationSettings, RecordSettings, SettingInfo, SettingKind,
    Settings, SettingsDocument, SettingsPathDocument, setting_info, settings_info,
};
pub use shared_file::SharedFile;
pub use staged::{bound_folder, stage_in, sweep_earlier_staged, sweep_staged};
pub use tensor_cache::StoredTensors;
pub use tensor_file::{TensorMetadata, read_tensors, write_tensors, write_tensors_new};
pub use weights_cache::WeightsCache;
pub use whole_file::{create_folder, create_private_folder, make_private, sync_folder, write_whole};
