//! Jobs and the thread that works on them.

mod job;
mod run;
mod worker;

pub use job::{Job, JobId};
pub use run::run_job;
pub use worker::Worker;
