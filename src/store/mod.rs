//! What the program keeps on disk, and where.

mod data_dir;

pub use data_dir::{DATA_DIR_VARIABLE, default_data_dir};
