//! The look before a run: what it will cost in memory, room and time, what is in the way, and what would mend it.
//!
//! Decides over facts that are given as data; it measures nothing and reads no files.

mod card;
mod facts;
mod look;
mod measured;
mod memory;
mod mend;
mod size;
#[cfg(test)]
mod tests;
mod time;
mod vae;

pub use card::Card;
pub use facts::{Facts, Preflight, Room, StageMemory, TimeEstimate};
pub use look::look;
pub use measured::{Comparison, Measured, compare};
pub use size::{ModelSize, NetSize};
pub use time::{passes, work};
