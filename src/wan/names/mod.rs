//! Translates tensor names between Wan's original code and diffusers, and recognises components by them.
//!
//! *Original* names are those of `wan/modules/*.py`, which single files for ComfyUI keep. *diffusers* names are used by
//! the graphs and configurations of this crate.

mod linear;
mod quantised_forms;
mod recognise;
mod resemblance;
mod table;
mod transformer;
mod umt5;
mod vae;

pub use linear::is_block_linear;
pub use recognise::{ComponentKind, Naming, Recognised, recognise};
pub use resemblance::{LORA, resemblance};
pub use table::Table;
pub use transformer::TRANSFORMER;
pub use umt5::TEXT_ENCODER;
pub use vae::{VaeNames, VaePlan};
