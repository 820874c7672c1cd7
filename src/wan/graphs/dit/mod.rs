//! The diffusion transformer: predicts the velocity for a noisy latent, a timestep and prompt embeddings.
//!
//! Reference: `wan/modules/model.py`, diffusers' `WanTransformer3DModel`. The batch size is always 1.

mod block;
mod ends;
mod form;
mod segments;
mod split;
mod whole;

pub use form::{RowChunks, TransformerForm};
pub use segments::Segments;
pub use split::streamed_transformer;
pub use whole::{TEXT_TOKENS, adapted_transformer, transformer};
