//! Finds and opens models, converts them, and makes synthetic ones.
//!
//! It knows folders, file layouts and formats; what a Wan model is made of is in `wan/`.

mod cached_repository;
mod catalog;
mod changed_files;
mod chosen;
mod compatibility;
mod component;
mod content;
pub mod convert;
mod diffusers;
mod document;
mod experts;
mod exported;
pub mod fetch;
mod folder;
mod hints;
mod info;
mod integrity;
mod json_file;
mod known_experts;
pub mod manifest;
mod misplaced;
mod names;
mod open;
mod publisher;
mod removal;
pub mod synth;
mod unsupported;
mod verified;
mod verify;

pub use catalog::{Installed, MODELS_ROOT_VARIABLE, called, find, installed, installed_with, other_files};
pub use changed_files::changed_files;
pub use document::{ModelDetails, ModelDocument};
pub use folder::OtherFile;
pub use hints::RoleHints;
pub use info::{ComponentInfo, Layout, ModelInfo, RoleSource};
pub use integrity::{ChecksumSource, FileCheck};
pub use known_experts::remember_chosen_experts;
pub use misplaced::move_misplaced;
pub use names::{is_variant, official_name};
pub use open::{Opened, inspect, inspect_with, open, open_with};
pub use publisher::publisher;
pub use removal::{KeptFile, Removal};
pub use verified::VerifiedModels;
pub use verify::{TensorProblem, VerifyOptions, VerifyReport, size_to_verify, verify};
