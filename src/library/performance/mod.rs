//! Measurements of jobs, one small file per job, and the diagnosis of their bottleneck.

mod diagnosis;
mod record;
mod store;

pub use diagnosis::{Diagnosis, Recommendation};
pub use store::{PerformanceStore, RecordedJob};
