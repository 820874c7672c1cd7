//! A data folder with the program's worker on it, and jobs of the toy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use wandeck::core::{Draft, Event, Faults};
use wandeck::jobs::{JobId, JobSpec};
use wandeck::presets;
use wandeck::queue::{Queue, Scope};
use wandeck::worker::{RunnerDevice, Worker, WorkerOptions};

use crate::common::{self, PATIENCE};

/// A data folder and the program that works on it.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    pub(crate) worker: Worker,
}

impl Desk {
    pub(crate) fn new(faults: &str) -> Self {
        let dir = common::fresh_data_dir();
        let worker = start(dir.path(), faults);
        Self { dir, worker }
    }

    /// With a runner for each of two devices.
    pub(crate) fn with_two_runners(faults: &str) -> Self {
        let dir = common::fresh_data_dir();
        let options = WorkerOptions {
            devices: Some([0, 1].map(RunnerDevice::with_ordinal).into()),
            faults: faults.parse().unwrap(),
            ..WorkerOptions::new("a test", Scope::Everything)
        };
        let worker = Worker::start(dir.path().into(), options, Arc::new(|| {})).unwrap();
        Self { dir, worker }
    }

    pub(crate) fn work(&self, seed: u64, name: &str) -> JobSpec {
        work(seed, &self.dir.path().join(name))
    }

    pub(crate) fn submit(&self, work: JobSpec) -> JobId {
        self.worker.submit(work).unwrap().recv().unwrap().unwrap()
    }

    pub(crate) fn submit_all(&self, specs: Vec<JobSpec>) -> Vec<JobId> {
        self.worker.submit_all(specs).unwrap().recv().unwrap().unwrap()
    }

    /// Events until one that is looked for.
    pub(crate) fn until(&self, mut is_last: impl FnMut(JobId, &Event) -> bool) -> Vec<(JobId, Event)> {
        let mut events = Vec::new();
        loop {
            let (id, event) = self.worker.events().recv_timeout(PATIENCE).unwrap();
            let last = is_last(id, &event);
            events.push((id, event));
            if last {
                return events;
            }
        }
    }

    pub(crate) fn until_step(&self, job: JobId, of: u32) {
        self.until(|id, event| id == job && matches!(event, Event::Step { step, .. } if *step >= of));
    }

    pub(crate) fn until_end(&self, job: JobId) -> Vec<(JobId, Event)> {
        self.until(|id, event| id == job && event.is_terminal())
    }

    /// The events until each of `jobs` has ended or is paused.
    pub(crate) fn until_done(&self, mut jobs: Vec<JobId>) -> Vec<(JobId, Event)> {
        self.until(|id, event| {
            if event.is_terminal() || matches!(event, Event::Interrupted { .. }) {
                jobs.retain(|job| *job != id);
            }
            jobs.is_empty()
        })
    }

    /// The jobs of the queue on disk.
    pub(crate) fn queue(&self) -> Queue {
        Queue::open(self.dir.path(), "a reader", &Faults::default()).unwrap()
    }
}

/// A worker on the data folder `dir`.
pub(crate) fn start(dir: &Path, faults: &str) -> Worker {
    let options = WorkerOptions {
        faults: if faults.is_empty() { Faults::default() } else { faults.parse().unwrap() },
        back_off: Duration::from_millis(1),
        ..WorkerOptions::new("a test", Scope::Everything)
    };
    Worker::start(dir.into(), options, Arc::new(|| {})).unwrap()
}

/// A draft of six steps and five frames.
pub(crate) fn draft(seed: u64) -> Draft {
    let preset = presets::by_name("toy-t2v").unwrap().draft("a red circle moves right");
    Draft { seed, steps: 6, frames: 5, ..preset }
}

/// A job of the toy.
pub(crate) fn spec(draft: Draft, output: &Path) -> JobSpec {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy-t2v-A14B");
    JobSpec::new(draft, model, output.into())
}

/// A job with the draft [`draft`].
pub(crate) fn work(seed: u64, output: &Path) -> JobSpec {
    spec(draft(seed), output)
}
