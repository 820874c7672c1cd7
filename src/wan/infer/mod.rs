//! Derives configurations from the shapes of tensors, for files without a `config.json` or with a wrong one.
//!
//! All functions expect diffusers' names.

mod shapes;
mod transformer;
mod umt5;
mod vae;

pub use transformer::transformer;
pub use umt5::text_encoder;
pub use vae::vae;
