//! Measurements of jobs, one small file per job, and the diagnosis of their bottleneck.

mod diagnosis;
mod peak;
mod record;
mod remedy;
mod store;

pub use diagnosis::{Diagnosis, Recommendation};
pub use peak::MachinePeak;
pub use remedy::Remedy;
pub use store::{PerformanceStore, RecordedJob};
