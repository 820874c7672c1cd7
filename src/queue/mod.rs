//! Jobs and the thread that works on them.

mod chronicle;
mod job;
mod rebuild;
mod record;
mod run;
mod worker;

pub use chronicle::Chronicle;
pub use job::{Job, JobId};
pub use rebuild::{Rebuilt, rebuild};
pub use record::Recorded;
pub use run::run_job;
pub use worker::Worker;
