//! Converts a checkpoint to a smaller precision: int8, int4, fp8 or bf16.
//!
//! The result is a diffusers folder. The linear layers of the transformer and text encoder blocks are converted;
//! embeddings, norms, modulation tables, the last projection and the VAE are copied. Shards are written one by one, and
//! an interrupted conversion continues after the last complete shard.

mod config_files;
mod document;
mod int4;
mod lock;
mod matrix;
mod progress;

mod plan;
mod relative_error;
mod report;
mod run;
mod shard;

pub use document::ConversionDocument;
pub use plan::ConversionTarget;
pub(super) use progress::is_unfinished;
pub use report::{ConversionReport, ConvertedSize, LayerError};
pub use run::{ConversionOptions, ConversionStep, Converted, convert, convert_with, default_name};
