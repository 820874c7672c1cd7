//! The diagnostics bundle: what helps to find a fault, without prompts, paths or names.

mod collect;
mod redact;

pub use collect::{DiagnosticsBundle, diagnostics_bundle};
