//! The ONNX graphs of Wan's components, written over the checkpoint's own tensors.
//!
//! Op forms are those that ONNX Runtime's CPU provider runs best: `Gemm(transB=1)` uses a `PyTorch` weight as it
//! lies in the file, `MultiHeadAttention` never builds the S x S matrix, `LayerNormalization` takes a computed
//! scale and shift and so does a modulated norm in one node. They are CUDA's too.
//!
//! Every graph is built to compute in a [`crate::onnx::ComputeType`]; inputs, outputs and caches are fp32 in all of them.

mod dit;
mod layers;
mod parts;
mod umt5;
mod vae_decoder;
mod vae_encoder;
mod vae_layers;

pub use dit::{Segments, TEXT_TOKENS, adapted_transformer, transformer};
pub use parts::ROWS_AT_ONCE;
pub use umt5::text_encoder;
pub use vae_decoder::vae_decoder;
pub use vae_encoder::{Chunk, vae_encoder};
pub use vae_layers::{CacheSpec, StreamGraph};
