//! What was measured while jobs ran, one small file for each job, and what it says about them.

mod diagnosis;
mod record;
mod store;

pub use diagnosis::{Diagnosis, Recommendation};
pub use store::{PerformanceStore, RecordedJob};
