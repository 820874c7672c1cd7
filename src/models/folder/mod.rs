//! Models from folders of single files: ComfyUI's, Wan's original ones, or all files in one place.
//!
//! Names and shapes of tensors show which component a file is; only the expert is known by file names alone.

mod assemble;
mod beside;
mod choose;
mod other_files;
mod pair;
mod scan;
mod vae;

pub(super) use assemble::models;
pub use other_files::OtherFile;
pub(super) use other_files::{is_lora_folder, other_files};
pub(super) use scan::is_checkpoint;
