//! Jobs and the thread that works on them.

mod job;
mod record;
mod run;
mod worker;

pub use job::{Job, JobId};
pub use record::Recorded;
pub use run::run_job;
pub use worker::Worker;
