//! Models in a smaller precision, made here from what was downloaded.
//!
//! The result is a diffusers folder. Linear layers of the blocks change; embeddings, norms, tables, the last
//! projection and the VAE stay as they are. It is made shard by shard, so that a stop costs one shard.

mod decode;
mod int4;
mod ledger;
mod lock;
mod matrix;
mod numbers;
mod others;
mod plan;
mod report;
mod run;
mod shard;

pub use plan::ConversionTarget;
pub use report::{ConversionReport, LayerError, PartSize};
pub use run::{Converted, Options, Step, convert, default_name};
