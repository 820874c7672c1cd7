//! Prompt cleaning, equal to diffusers' `prompt_clean`: encoding repaired, HTML unescaped, white space collapsed.
//!
//! diffusers cleans prompts with the Python library ftfy and `html.unescape`. A different cleaning would give
//! different tokens and a different video. The rules of what to repair, and which characters indicate mojibake, are
//! those of ftfy 6 (Robyn Speer, Apache-2.0).

mod badness;
mod charset;
mod entities;
mod fixes;
mod lossy;
mod mojibake;
mod prompt;

pub use prompt::clean;
