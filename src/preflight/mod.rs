//! The look before a run: what it will cost in memory, room and time, what is in the way, and what would mend it.
//!
//! Decides over facts that are given as data; it measures nothing and reads no files.

mod card;
mod check;
mod facts;
mod fixes;
mod measured;
mod memory;
mod size;
#[cfg(test)]
mod tests;
mod time;
mod vae;

pub use card::Card;
pub use check::check;
pub use facts::{DiskSpace, Facts, Preflight, StageMemory, TimeEstimate};
pub use measured::{Comparison, MeasuredRun, compare};
pub use size::{ModelSize, NetSize};
pub use time::{passes, work};
