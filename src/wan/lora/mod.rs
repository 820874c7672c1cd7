//! LoRA files: reads every format in use and matches their keys with a transformer's weights.
//!
//! A key is split into a module and a role (`key`). The module is looked up among the model's own names in every spelling
//! (`names`), so no underscore has to be guessed to be a dot. The deltas become an [`crate::onnx::Adapter`], and a
//! [`LoraReport`] says how each key was used.

mod document;
mod file;
mod format;
mod key;
mod matching;
mod method;
mod module;
mod names;
mod report;
mod scale;
mod tucker;
mod verdict;

pub use document::{LoraDocument, LoraFitDocument, experts, target};
pub use file::LoraFile;
pub use format::LoraFormat;
pub use matching::{LoraMatch, MatchTarget, match_keys};
pub use method::LoraMethod;
pub use report::{LoraReport, LoraSummary, SkipReason, SkippedKey};
