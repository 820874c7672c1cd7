//! Preflight: what a run will cost in memory, disk space and time, what blocks it, and which fixes would help.
//!
//! The rules work on facts that are given as data: nothing is measured here and no file is read.

mod block;
mod check;
mod device;
mod device_fit;
mod facts;
mod fixes;
#[cfg(test)]
mod fixes_tests;
mod history;
mod memory;
mod memory_plan;
mod report;
mod size;
mod streamed;
#[cfg(test)]
mod tests;
mod time;
mod vae;

pub use check::check;
pub use device::{DeviceFacts, ValueBytes};
pub use device_fit::{DeviceFit, device_fit, row_chunks};
pub use facts::{DiskSpace, MeasuredTime, PreflightFacts};
pub use fixes::{MemoryShortage, memory_shortage};
pub use history::{EstimateError, MeasuredRun, estimate_error};
pub use memory_plan::memory_plan;
pub use report::{PreflightReport, StageMemory, TimeEstimate};
pub use size::{ComponentSize, ModelSize};
pub use time::{passes, work};
