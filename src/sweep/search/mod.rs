//! Guided search: trials of a sweep's space, each chosen from what the earlier ones gave.
//!
//! A trial is an ordinary job of the sweep's group. Everything that a choice follows from is in the sweep's record, the
//! queue, the history and the ratings, so that a search goes on after a restart with the trial that it stopped at.

mod decide;
mod definition;
mod driver;
mod importance;
mod measure;
mod preview;
mod propose;
#[cfg(test)]
mod tests;
mod trace;
mod trial;

pub use definition::{Goal, GuidedSearch};
pub use driver::{SearchCommands, SearchDriver, SearchProgress, SearchStart};
pub use importance::FieldImportance;
pub(super) use propose::Space;
pub use trace::{SearchTrace, TrialRow, search_trace};
pub use trial::TrialNote;

pub(super) use decide::first_trials;
pub use decide::{SearchEnd, SearchWait};
