//! Sweeps: one base with axes over its settings, expanded to cells that are ordinary jobs in one group.
//!
//! Expansion is pure. Nothing here runs a job: [`SweepPlan`] makes the jobs, the queue runs them, and [`collect`] reads
//! what became of them. A guided search (`search/`) chooses its cells one after the other from what the earlier ones gave.

mod axis;
mod cell;
mod condition;
mod difference;
mod estimate;
mod export;
mod field;
mod jobs;
mod results;
mod sampling;
mod search;
mod store;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod sweep;
#[cfg(test)]
mod tests;
mod values;

pub use axis::{Axis, AxisValues};
pub use cell::Cell;
pub use condition::Condition;
pub use difference::CellDifference;
pub use estimate::{Cut, SweepEstimate, estimate};
pub use export::{ExportedSweep, export_sweep};
pub use field::SweepField;
pub use jobs::SweepPlan;
pub use results::{CellResult, SweepTable, collect};
pub use sampling::Sampling;
pub use search::{
    FieldImportance, Goal, GuidedSearch, SearchCommands, SearchDriver, SearchEnd, SearchProgress,
    SearchStart, SearchTrace, SearchWait, TrialNote, TrialRow, search_trace,
};
pub use store::{RecordedCell, SweepRecord, SweepStore};
pub use sweep::{Sweep, SweepBase};
