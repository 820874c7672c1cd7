//! The document that `wandeck models synth --json` prints.

use std::path::Path;

use serde::Serialize;

use crate::core::Bytes;

/// A synthetic model that was written.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SynthDocument<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// Its size.
    pub bytes: Bytes,
    /// How long it took.
    pub seconds: f64,
}
