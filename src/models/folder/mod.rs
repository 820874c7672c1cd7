//! Folders of single files: ComfyUI's, Wan's own, or all in one place.
//!
//! What a file is, is read from the names and shapes of its tensors; only which expert it is must be told by names.

mod assemble;
mod choose;
mod pair;
mod scan;

pub(super) use assemble::models;
