//! The history: a `SQLite` database in the data folder with settings, result and cost of each ended job.
//!
//! Videos contain their settings, so the database can be deleted and rebuilt from them. Failures, durations and
//! memory peaks are lost then.

mod analysis;
mod eta;
#[cfg(test)]
mod fixture;
mod open;
mod query;
mod row;
mod schema;
#[cfg(test)]
mod tests;

pub use analysis::{Analysis, Bottleneck, Counts, ModelSteps, StageShare};
pub use eta::{HistoryEstimate, expected};
pub use open::History;
pub use query::SimilarRuns;
