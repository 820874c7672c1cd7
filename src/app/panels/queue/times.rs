//! How long jobs will take, and when each is done.

use std::collections::BTreeMap;

use super::view::QueueView;
use crate::core::Secs;
use crate::jobs::{Job, JobId, JobState};
use crate::library::HistoryEstimate;

/// Estimates from earlier jobs, by job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::app) struct JobTimes {
    estimates: BTreeMap<JobId, HistoryEstimate>,
}

impl JobTimes {
    /// Adds the estimate of a job.
    pub(in crate::app) fn insert(&mut self, id: JobId, estimate: HistoryEstimate) {
        self.estimates.insert(id, estimate);
    }

    /// The estimate of a job, if earlier ones allow one.
    pub(super) fn of(&self, id: JobId) -> Option<HistoryEstimate> {
        self.estimates.get(&id).copied()
    }
}

/// When each job is done, counted from the end of the job that runs now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Schedule {
    /// Seconds after the running job, for each queued job; known up to the first job without an estimate.
    ready: BTreeMap<JobId, f64>,
    /// Seconds of all queued jobs that have an estimate.
    waiting: f64,
    /// Queued jobs without an estimate.
    num_unknown: usize,
    /// Indices of the running jobs.
    running: Vec<usize>,
    /// Jobs that wait for their turn; not those that are paused.
    num_queued: usize,
}

impl Schedule {
    /// The schedule of a queue.
    pub(super) fn of(jobs: &[Job], times: &JobTimes) -> Self {
        let mut schedule = Self::default();
        for (index, job) in jobs.iter().enumerate() {
            match job.state {
                JobState::Running { .. } => schedule.running.push(index),
                JobState::Queued => {
                    schedule.num_queued += 1;
                    match times.of(job.id) {
                        Some(estimate) => schedule.waiting += estimate.seconds.0,
                        None => schedule.num_unknown += 1,
                    }
                    if schedule.num_unknown == 0 {
                        schedule.ready.insert(job.id, schedule.waiting);
                    }
                }
                JobState::Paused | JobState::Ended { .. } => {}
            }
        }
        schedule
    }

    /// When a queued job is done, if all before it have estimates.
    pub(super) fn ready(&self, id: JobId, view: &QueueView<'_>) -> Option<Secs> {
        let after = self.ready.get(&id)?;
        Some(Secs(self.running(view)? + after))
    }

    /// The time until all jobs are done, as words; nothing if it is unknown.
    pub(super) fn total(&self, view: &QueueView<'_>) -> Option<String> {
        if self.num_queued + self.running.len() == 0 || view.is_paused {
            return None;
        }
        let running = self.running(view);
        let seconds = running.unwrap_or_default() + self.waiting;
        let is_known = self.num_unknown == 0 && running.is_some();
        match (is_known, seconds > 0.0) {
            (true, _) => Some(format!("all done in about {}", Secs(seconds))),
            (false, true) => Some(format!("all done in {} or more", Secs(seconds))),
            (false, false) => None,
        }
    }

    /// What the running jobs still need; nothing if one of them cannot tell.
    fn running(&self, view: &QueueView<'_>) -> Option<f64> {
        let jobs = self.running.iter().filter_map(|index| view.entries.get(*index));
        jobs.map(|job| left(job, view).map(|Secs(seconds)| seconds)).sum()
    }
}

/// The time that a job still needs: measured for a running one, else from earlier jobs.
pub(super) fn left(job: &Job, view: &QueueView<'_>) -> Option<Secs> {
    let estimate = || view.times.of(job.id).map(|estimate| estimate.seconds);
    match view.live.get(job.id) {
        Some(live) => live.follower.progress().remaining().or_else(|| {
            let elapsed = Secs::from(view.now.saturating_duration_since(live.follower.started()));
            estimate().map(|Secs(seconds)| Secs((seconds - elapsed.0).max(0.0)))
        }),
        None => estimate(),
    }
}
