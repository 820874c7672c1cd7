//! The models on this machine: where they are, whether they are whole, what they can do.
//!
//! Knows folders and layouts; what a Wan model is made of stands in `wan/`.

mod catalog;
mod diffusers;
mod exported;

pub use catalog::{Installed, MODELS_ROOT_VARIABLE, find, installed};
pub use diffusers::open;
pub use exported::is_exported;
