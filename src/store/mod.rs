//! What the program keeps on disk, and where.

mod data_dir;
mod journal;
mod lock;
mod settings;
mod tensor_cache;
mod tensor_file;
mod whole_file;

pub use data_dir::{DATA_DIR_VARIABLE, default_data_dir};
pub use journal::{Damage, Journal, Locked, News};
pub use lock::HeldLock;
pub use settings::{
    ErrorSettings, GenerationSettings, HardwareSettings, Imported, ModelSettings, OptimizationSettings,
    RecordSettings, Settings,
};
pub use tensor_cache::StoredTensors;
pub use tensor_file::{TensorMetadata, read_tensors, write_tensors};
pub use whole_file::write_whole;
