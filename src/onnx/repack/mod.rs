//! Repacks weights that no graph can read as they are stored: quantised blocks, and int8 with scales beside it.
//!
//! The result is one safetensors file. Its layout is known from the header of the source alone, so a run is planned
//! before the file exists. On the CPU, matrices become int8 in the layout of `models convert`; elsewhere, and where fp32
//! is asked for, floating-point numbers.
//!
//! Large fp32 matrices are narrowed in the same way for a device that computes in 16 bits. A graph could cast them, but ONNX
//! Runtime would hold all of them in both types while it makes the session; here, a few pieces at a time are held.

mod plan;
mod write;

pub use plan::{Repack, RepackTarget};
pub use write::StageFile;
