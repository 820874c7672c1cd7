//! The frame of every document that `--json` prints.

use serde::Serialize;

/// Version of the documents; it grows when a field is renamed or removed.
pub const DOCUMENT_VERSION: u32 = 1;

/// A document with its version.
#[derive(Clone, Debug, Serialize)]
pub struct Document<T> {
    /// Version of the fields, see [`DOCUMENT_VERSION`].
    pub version: u32,
    /// The fields.
    #[serde(flatten)]
    pub body: T,
}

impl<T> Document<T> {
    /// A document of the current version.
    pub fn new(body: T) -> Self {
        Self { version: DOCUMENT_VERSION, body }
    }
}
