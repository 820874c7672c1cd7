//! The worker: a runner thread that takes one job of the queue after the other and retries what failed, and the
//! dispatcher thread that writes down commands and watches.

mod dispatcher;
mod runner;

pub use dispatcher::{QueueCommand, QueueSnapshot, Worker};
pub use runner::WorkerOptions;
