//! The jobs that run now, as their events tell: any number of them.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::core::{Event, Progress};
use crate::jobs::JobId;

/// A job that runs.
#[derive(Debug)]
pub(in crate::app) struct LiveJob {
    /// How far it is.
    pub(in crate::app) progress: Progress,
    /// When it was started.
    pub(in crate::app) started: Instant,
    /// What it says about itself, for instance a download or the next attempt.
    pub(in crate::app) note: Option<String>,
    /// Whether it was asked to stop.
    pub(in crate::app) stopping: bool,
}

/// All that run, by their numbers.
#[derive(Debug, Default)]
pub(in crate::app) struct LiveJobs {
    jobs: BTreeMap<JobId, LiveJob>,
}

impl LiveJobs {
    /// Takes in what a job says.
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
        });
        job.progress.observe(event);
        match event {
            Event::Note { message } | Event::Warning { message } => job.note = Some(message.clone()),
            Event::Retrying { .. } => job.note = Some("Trying again".to_owned()),
            Event::StageStarted { .. } => job.note = None,
            _ => {}
        }
    }

    /// One of them.
    pub(in crate::app) fn get(&self, id: JobId) -> Option<&LiveJob> {
        self.jobs.get(&id)
    }

    /// The one that began first.
    pub(in crate::app) fn first(&self) -> Option<(JobId, &LiveJob)> {
        self.jobs.iter().next().map(|(id, job)| (*id, job))
    }

    /// Whether none runs.
    pub(in crate::app) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// It was asked to stop.
    pub(in crate::app) fn stopping(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stopping = true;
        }
    }
}
