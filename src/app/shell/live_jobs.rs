//! The running jobs by their events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::core::Event;
use crate::jobs::JobId;
use crate::worker::{ElsewhereJob, JobFollower};

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
    /// Jobs that other programs run.
    elsewhere: BTreeMap<JobId, LiveJob>,
    /// Jobs whose program has ended.
    interrupted: BTreeSet<JobId>,
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

    /// Takes over what other programs report of the jobs that they run.
    pub(in crate::app) fn set_elsewhere(&mut self, jobs: &[ElsewhereJob], now: Instant) {
        let live = |job: &ElsewhereJob| {
            let follower = JobFollower::from_report(job.report.as_ref()?, now);
            Some((job.id, LiveJob { follower, stopping: false }))
        };
        self.elsewhere = jobs.iter().filter_map(live).collect();
        self.interrupted = jobs.iter().filter(|job| job.is_interrupted).map(|job| job.id).collect();
    }

    /// Whether the program that ran the job `id` has ended before the job.
    pub(in crate::app) fn is_interrupted(&self, id: JobId) -> bool {
        self.interrupted.contains(&id)
    }

    /// The running job `id`, in this program or in another one.
    pub(in crate::app) fn get(&self, id: JobId) -> Option<&LiveJob> {
        self.jobs.get(&id).or_else(|| self.elsewhere.get(&id))
    }

    /// The job of this program that started first.
    pub(in crate::app) fn first(&self) -> Option<(JobId, &LiveJob)> {
        self.jobs.iter().next().map(|(id, job)| (*id, job))
    }

    /// Whether no job runs in this program.
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
