//! LoRA files: read in every dialect that is in use, brought into one normal form, fitted to a transformer.
//!
//! A key is split into a module and a part (`key`); the module's name is looked up among the model's own names in
//! every spelling (`names`), so an underscore is never guessed to have been a dot; what fits becomes an
//! [`crate::onnx::Adapter`], and everything is told in a [`LoraReport`].

mod distilled;
mod file;
mod fit;
mod format;
mod key;
mod names;
mod report;
mod scale;

pub use distilled::Advice;
pub use file::LoraFile;
pub use fit::{LoraFit, fit};
pub use format::LoraFormat;
pub use report::{LeftOut, LoraReport, Summary, Why};
