//! The form of the window: its values and why they are so, the job that is edited in it, undo and redo.

mod editing;
mod files;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod form;
mod inputs;
mod reference;
mod scan;
mod state;
#[cfg(test)]
mod tests;
mod undo;

pub use form::Form;
pub(in crate::app) use reference::PresetPreview;
pub(in crate::app) use scan::{ModelScan, open_with_files};
pub(in crate::app) use state::{FormContext, SeedMode};
