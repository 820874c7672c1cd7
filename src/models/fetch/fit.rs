//! Whether a model of the manifest fits this machine, roughly, from sizes alone.

use std::fmt;

use serde::Serialize;

use super::super::manifest::Selection;
use crate::core::Bytes;

/// Room that a run needs beside its weights at least.
const WORKING: Bytes = Bytes(4 << 30);

/// How the sizes of a model compare with a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeFit {
    /// All of it fits.
    Whole,
    /// Each component fits by itself; they are loaded one after another.
    InTurn,
    /// A component is larger than the memory.
    TooLarge,
    /// The manifest does not know the sizes.
    Unknown,
}

impl SizeFit {
    /// Compares the weights of `selection`, as they are on disk, with `memory`.
    pub fn new(selection: &Selection<'_>, memory: Option<Bytes>) -> Self {
        let (total, is_all) = selection.known_size();
        let (Some(memory), Some(largest)) = (memory, selection.largest_file()) else { return Self::Unknown };
        let fits = |size: Bytes| size.0.saturating_add(WORKING.0) <= memory.0;
        // one entry for a whole repository says nothing of its components
        let has_parts = selection.files.len() > 1;
        match () {
            () if is_all && fits(total) => Self::Whole,
            () if !fits(largest) && has_parts => Self::TooLarge,
            () if is_all && has_parts => Self::InTurn,
            () => Self::Unknown,
        }
    }
}

impl fmt::Display for SizeFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "fits",
            Self::InTurn => "fits one component at a time",
            Self::TooLarge => "too large",
            Self::Unknown => "fit not known yet",
        })
    }
}
