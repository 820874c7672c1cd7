//! The models on this machine: where they are, whether they are whole, what they can do.
//!
//! Knows folders and layouts; what a Wan model is made of stands in `wan/`.

mod catalog;
mod component;
pub mod convert;
mod diffusers;
mod experts;
mod exported;
mod fit;
mod folder;
mod header;
mod info;
mod open;
mod refused;
pub mod synth;

pub use catalog::{Installed, MODELS_ROOT_VARIABLE, find, installed};
pub use info::{ComponentInfo, Layout, ModelInfo, RoleSource};
pub use open::{Opened, look, open};
