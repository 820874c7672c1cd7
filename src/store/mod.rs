//! What the program keeps on disk, and where.

mod data_dir;
mod history;
mod tensor_cache;

pub use data_dir::{DATA_DIR_VARIABLE, default_data_dir};
pub use history::{Analysis, Bottleneck, Counts, Expected, History, Like, ModelSteps, Share, expected};
pub use tensor_cache::StoredTensors;
