//! What the machine and this process are doing, measured.

mod memory;

pub use memory::peak_resident;
