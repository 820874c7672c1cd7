//! Blocks of quantised values in GGUF files: how each type is laid out, and its values in fp32.
//!
//! Source: `ggml-common.h` (layouts) and `ggml-quants.c` (formulas) of ggml. Each formula multiplies and adds in the
//! order of ggml's reference, so values are equal to the last bit.

mod block_type;
mod four_bit;
mod k_quants;
mod legacy;

pub use block_type::BlockType;
