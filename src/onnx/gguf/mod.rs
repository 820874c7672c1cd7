//! Reader of GGUF headers, versions 2 and 3. Source: `docs/gguf.md` of ggml.
//!
//! A file is `GGUF`, a version, two counts, key-value pairs, tensor descriptions, and the tensors from the next multiple
//! of the alignment on. Every number is checked before it sizes anything. Files of image and video models are written by
//! city96's `ComfyUI-GGUF`: tensors keep the names of `PyTorch`, and a shape of five dimensions is written as it is or kept in
//! `comfy.gguf.orig_shape.NAME`.

mod header;
mod reader;
mod tensors;
mod vocabulary;

pub(super) use header::{MAGIC, read_header};
pub use vocabulary::{GGUF_TOKENIZER, GgufVocabulary};
