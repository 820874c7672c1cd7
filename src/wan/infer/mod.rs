//! Configurations from the shapes of tensors, for files that come without a `config.json` or with a wrong one.
//!
//! All take weights under diffusers' names.

mod numbers;
mod transformer;
mod umt5;
mod vae;

pub use transformer::transformer;
pub use umt5::text_encoder;
pub use vae::vae;
