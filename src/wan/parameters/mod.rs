//! What a component is made of: the name and shape of every parameter that a configuration asks for.
//!
//! Names are diffusers'. A checkpoint is held against these lists when it is opened, and made-up checkpoints are
//! written from them.

mod check;
mod list;
mod transformer;
mod umt5;
mod vae;

pub use check::check;
pub use list::Parameter;
pub use transformer::transformer;
pub use umt5::text_encoder;
pub use vae::vae;
