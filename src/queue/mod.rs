//! Jobs: what waits, what runs, what ended. Nothing is lost by a crash, a kill or a full disk.
//!
//! [`Queue`] is the jobs of a data folder, kept in a journal that several programs may change. [`Worker`] is a program's
//! engine: it takes jobs from the queue, writes down where each stands, repeats what failed and may mend itself, and
//! tells what happens. [`run_job`] is the same work without any of that.

mod checkpoint;
mod control;
mod engine;
mod fallback;
mod job;
mod ladder;
mod look;
#[expect(clippy::module_inception, reason = "the folder is the service, the file its main type")]
mod queue;
mod rebuild;
mod record;
mod run;
mod state;
mod task;
mod worker;

pub use engine::Service;
pub use fallback::Fallback;
pub use job::{Job, JobId, Priority, Work};
pub use look::{Examined, examine};
pub use queue::{Asked, Queue, Scope};
pub use rebuild::{Rebuilt, rebuild};
pub use record::Recorded;
pub use run::run_job;
pub use state::{Entry, Retry, Status, Trace, Wish};
pub use worker::{Order, Sight, Worker};
