//! What the machine and this process are doing, measured.

mod memory;

pub use memory::{free, peak_resident, reset_peak_resident, resident};
