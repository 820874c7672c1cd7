//! The two sets of names that Wan's tensors go by, and which of them a file uses.
//!
//! *Original* names are those of Wan's own code (`wan/modules/*.py`), which single files for ComfyUI keep.
//! *diffusers* names are what graphs and configurations use here.

mod recognise;
mod table;
mod transformer;
mod umt5;
mod vae;

pub use recognise::{ComponentKind, Naming, Recognised, recognise};
pub use table::Table;
pub use transformer::TRANSFORMER;
pub use umt5::TEXT_ENCODER;
pub use vae::{VaeNames, VaePlan};
