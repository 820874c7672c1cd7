//! What the machine and this process are doing, measured.

mod card;
mod memory;

pub use card::{CardMemory, card_memory};
pub use memory::{free, peak_resident, reset_peak_resident, resident};
