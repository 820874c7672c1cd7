//! Builds the ONNX graphs of Wan's components on the checkpoint's own tensors.
//!
//! The operations are those that ONNX Runtime's CPU provider runs fastest: `Gemm(transB=1)` takes a `PyTorch` weight as it
//! is stored, `MultiHeadAttention` never builds the S x S matrix, and `LayerNormalization` takes a computed scale and
//! shift, so that a modulated norm is one node. CUDA has them too.
//!
//! A graph computes in a [`crate::onnx::ComputeType`]; inputs and outputs are fp32, but for frames of 8 bits and, on CUDA,
//! the caches of the VAE.

mod dit;
mod layers;
mod parts;
mod rotary;
mod sizes;
mod time_convs;
mod transfer;
mod umt5;
mod vae_bands;
mod vae_decoder;
mod vae_encoder;
mod vae_layers;

pub use dit::{
    RowChunks, Segments, TEXT_TOKENS, TransformerForm, adapted_transformer, streamed_transformer, transformer,
};
pub use parts::ROWS_AT_ONCE;
pub use sizes::{text_encoder_sizes, transformer_sizes, vae_decoder_sizes, vae_encoder_sizes};
pub use transfer::{guided_velocity, widened_latent};
pub use umt5::{is_embedding_table, streamed_text_encoder, text_encoder};
pub use vae_bands::BandLimits;
pub use vae_decoder::{vae_decoder, vae_decoder_in_bands, vae_decoder_in_bytes};
pub use vae_encoder::{vae_encoder, vae_encoder_in_bands};
pub use vae_layers::{CacheSpec, CallNumber, StreamCall, StreamGraph};
