//! Repacks weights that no graph can read as they are stored: quantised blocks, and int8 with scales beside it.
//!
//! The result is one safetensors file. Its layout is known from the header of the source alone, so a run is planned
//! before the file exists. On the CPU, matrices become int8 in the layout of `models convert`; elsewhere, and where fp32
//! is asked for, floating-point numbers.

mod plan;
mod write;

pub use plan::{Repack, RepackTarget};
pub use write::StageFile;
