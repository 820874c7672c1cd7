//! The worker: a runner thread for each device, which takes one job of the queue after the other and retries it after
//! failures, and the dispatcher thread that writes down commands and watches.

mod dispatcher;
mod follower;
mod held_device;
mod live_files;
mod options;
mod pending_end;
mod retry;
mod runner;
mod runners;
mod shared;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod worker;

pub use follower::{JobFollower, NextAttempt};
pub use live_files::{ElsewhereJob, LiveReport};
pub use options::WorkerOptions;
pub use runners::RunnerDevice;
pub use worker::{QueueSnapshot, Worker};
