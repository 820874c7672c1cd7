//! The running jobs by their events.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::core::Event;
use crate::jobs::JobId;
use crate::worker::JobFollower;

/// A running job.
#[derive(Debug)]
pub(in crate::app) struct LiveJob {
    /// What it has reported.
    pub(in crate::app) follower: JobFollower,
    /// Whether a cancel was requested.
    pub(in crate::app) stopping: bool,
}

/// All running jobs by number.
#[derive(Debug, Default)]
pub(in crate::app) struct LiveJobs {
    jobs: BTreeMap<JobId, LiveJob>,
}

impl LiveJobs {
    /// Processes an event of a job.
    pub(in crate::app) fn observe(&mut self, id: JobId, event: &Event, now: Instant) {
        let job = self
            .jobs
            .entry(id)
            .or_insert_with(|| LiveJob { follower: JobFollower::new(now), stopping: false });
        job.follower.observe(event, now);
        if !job.follower.is_running() {
            self.jobs.remove(&id);
        }
    }

    /// The running job `id`.
    pub(in crate::app) fn get(&self, id: JobId) -> Option<&LiveJob> {
        self.jobs.get(&id)
    }

    /// The job that started first.
    pub(in crate::app) fn first(&self) -> Option<(JobId, &LiveJob)> {
        self.jobs.iter().next().map(|(id, job)| (*id, job))
    }

    /// Whether no job runs.
    pub(in crate::app) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Notes that a cancel was requested.
    pub(in crate::app) fn stopping(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stopping = true;
        }
    }
}
