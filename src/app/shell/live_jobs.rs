//! The running jobs by their events.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::core::{Event, Progress};
use crate::jobs::JobId;

/// A running job.
#[derive(Debug)]
pub(in crate::app) struct LiveJob {
    /// Its progress.
    pub(in crate::app) progress: Progress,
    /// When it was started.
    pub(in crate::app) started: Instant,
    /// Its last message, for instance about a download or a retry.
    pub(in crate::app) note: Option<String>,
    /// Whether a cancel was requested.
    pub(in crate::app) stopping: bool,
    /// The next attempt, while the job waits for it.
    pub(in crate::app) retry: Option<NextAttempt>,
}

/// An attempt that will start after a failed one.
#[derive(Clone, Copy, Debug)]
pub(in crate::app) struct NextAttempt {
    /// Its number, at least 2.
    pub(in crate::app) attempt: u32,
    /// Largest number of attempts.
    pub(in crate::app) of: u32,
    /// When it starts.
    pub(in crate::app) at: Instant,
}

/// All running jobs by number.
#[derive(Debug, Default)]
pub(in crate::app) struct LiveJobs {
    jobs: BTreeMap<JobId, LiveJob>,
}

impl LiveJobs {
    /// Processes an event of a job.
    pub(in crate::app) fn observe(&mut self, id: JobId, event: &Event, now: Instant) {
        if event.is_terminal() || matches!(event, Event::Interrupted { .. }) {
            self.jobs.remove(&id);
            return;
        }
        let job = self.jobs.entry(id).or_insert_with(|| LiveJob {
            progress: Progress::default(),
            started: now,
            note: None,
            stopping: false,
            retry: None,
        });
        job.progress.observe(event);
        match event {
            Event::Note { message } | Event::Warning { message } => job.note = Some(message.clone()),
            Event::Retrying { attempt, of, delay, .. } => {
                let at = now + Duration::from_secs_f64(delay.0.max(0.0));
                job.retry = Some(NextAttempt { attempt: *attempt, of: *of, at });
            }
            Event::Started { .. } | Event::StageStarted { .. } => (job.note, job.retry) = (None, None),
            _ => {}
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
