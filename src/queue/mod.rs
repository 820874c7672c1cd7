//! The queue: jobs in their order, kept in a journal that several programs may change.

#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod queue;
mod state;

pub(crate) use queue::device_lock;
pub use queue::{Acknowledgement, Queue, Scope};
