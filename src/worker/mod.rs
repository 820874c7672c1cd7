//! The worker: a runner thread that takes one job of the queue after the other and retries it after failures, and the
//! dispatcher thread that writes down commands and watches.

mod dispatcher;
mod follower;
mod options;
mod retry;
mod runner;
mod shared;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod worker;

pub use follower::JobFollower;
pub use options::WorkerOptions;
pub use worker::{QueueSnapshot, Worker};
