//! The queue: jobs in their order, kept in a journal that several programs may change.

mod command;
mod counts;
mod death;
mod group;
mod journal_v1;
mod leases;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod queue;
mod read_only;
mod run;
mod shared_state;
mod state;
mod sweep;
#[cfg(test)]
mod tests;

pub use command::{Acknowledgement, QueueCommand};
pub use counts::QueueCounts;
pub use group::GroupVerb;
pub(crate) use leases::DeviceLease;
pub use queue::{Queue, Scope};
