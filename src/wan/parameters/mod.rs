//! Name and shape of every parameter of a component, given its configuration.
//!
//! Names are those of diffusers. A checkpoint is checked against these lists when it is opened, and synthetic checkpoints
//! are written from them.

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
