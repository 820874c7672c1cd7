//! Every ended job in one `SQLite` file of the data folder: what was asked, what came of it, what it cost.
//!
//! The file is an index. The videos carry their requests themselves, so it can be deleted and rebuilt from them;
//! what is lost then is what no file tells: failures, times, memory. Nothing here knows queues or screens.

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
