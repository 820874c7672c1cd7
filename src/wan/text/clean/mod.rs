//! Prompts as Wan saw them in training: repaired, unescaped, in one line.
//!
//! diffusers cleans a prompt with the Python library ftfy and unescapes HTML; a prompt that is cleaned otherwise
//! becomes other tokens and another video. These modules do the same: the knowledge of what to repair, and of
//! which characters give mojibake away, is that of ftfy 6 (Robyn Speer, Apache-2.0).

mod badness;
mod charset;
mod entities;
mod fixes;
mod lossy;
mod mojibake;
mod prompt;

pub use prompt::clean;
