//! Follows one job by its events, whichever program or device runs it.

use std::time::{Duration, Instant};

use super::live_files::LiveReport;
use crate::core::{Event, Progress};
use crate::jobs::JobStatus;

/// What a job has reported so far: progress, last message, next attempt, status.
///
/// Feed it the events of the job from [`super::Worker::events`].
#[derive(Clone, Debug)]
pub struct JobFollower {
    started: Instant,
    progress: Progress,
    message: Option<String>,
    /// The engine that is being built.
    building: Option<String>,
    retry: Option<NextAttempt>,
    status: JobStatus,
}

/// An attempt that will start after a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// Its number, at least 2.
    pub attempt: u32,
    /// Largest number of attempts.
    pub of: u32,
    /// When it starts.
    pub at: Instant,
}

impl JobFollower {
    /// Follows a job whose first event arrived at `started`.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            progress: Progress::default(),
            message: None,
            building: None,
            retry: None,
            status: JobStatus::Running,
        }
    }

    /// Goes on from what a job of another program had reported at `now`.
    pub fn from_report(report: &LiveReport, now: Instant) -> Self {
        let elapsed = Duration::from_secs_f64(report.elapsed_s.0.max(0.0));
        Self {
            progress: report.progress.clone(),
            message: report.message.clone(),
            ..Self::new(now.checked_sub(elapsed).unwrap_or(now))
        }
    }

    /// Takes in an event of the job that arrived at `now`.
    pub fn observe(&mut self, event: &Event, now: Instant) {
        self.progress.observe(event);
        self.building = match event {
            Event::BuildingEngine { component, seconds } => {
                Some(format!("Building the engine of the {component} for this device, {seconds}"))
            }
            _ => None,
        };
        match event {
            Event::Note { message } | Event::Warning { message } | Event::Interrupted { message } => {
                self.message = Some(message.clone());
            }
            Event::Retrying { attempt, of, delay, .. } => {
                let at = now + Duration::from_secs_f64(delay.0.max(0.0));
                self.retry = Some(NextAttempt { attempt: *attempt, of: *of, at });
            }
            Event::Started { .. } | Event::StageStarted { .. } => (self.message, self.retry) = (None, None),
            _ => {}
        }
        self.status = match event {
            Event::Finished { .. } => JobStatus::Done,
            Event::Failed { .. } => JobStatus::Failed,
            Event::Cancelled => JobStatus::Cancelled,
            Event::Interrupted { .. } => JobStatus::Interrupted,
            _ => JobStatus::Running,
        };
    }

    /// When its first event arrived.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its progress.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The engine that is being built, or the last note or warning of the current stage.
    pub fn message(&self) -> Option<&str> {
        self.building.as_deref().or(self.message.as_deref())
    }

    /// The engine that is being built, and the time so far, as a sentence.
    pub fn building(&self) -> Option<&str> {
        self.building.as_deref()
    }

    /// The next attempt, while the job waits for it.
    pub fn retry(&self) -> Option<NextAttempt> {
        self.retry
    }

    /// Whether the job runs, by its events.
    pub fn is_running(&self) -> bool {
        self.status == JobStatus::Running
    }

    /// The status of the job, by its events.
    pub fn status(&self) -> JobStatus {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Secs, Seed, Stage};

    #[test]
    fn a_job_is_followed_from_its_start_through_a_retry_to_its_end() {
        let now = Instant::now();
        let mut follower = JobFollower::new(now);
        let stage = Stage::DenoiseHigh;
        let start = Event::Started { seed: Seed(1), plan: vec![(stage, 2)] };
        follower.observe(&start, now);
        follower.observe(&Event::StageStarted { stage }, now);
        follower.observe(&Event::Step { stage, step: 1, of: 2, seconds: Secs(1.0) }, now);
        assert_eq!(follower.progress().stage(), Some((stage, 1, 2)));
        follower.observe(&Event::Note { message: "a note".to_owned() }, now);
        assert_eq!(follower.message(), Some("a note"));
        let building = Event::BuildingEngine { component: "transformer".to_owned(), seconds: Secs(12.0) };
        follower.observe(&building, now);
        let words = "Building the engine of the transformer for this device, 12 s";
        assert_eq!((follower.message(), follower.building()), (Some(words), Some(words)));
        follower.observe(&Event::Step { stage, step: 2, of: 2, seconds: Secs(1.0) }, now);
        assert_eq!((follower.message(), follower.building()), (Some("a note"), None));
        let message = "Decode failed".to_owned();
        follower.observe(&Event::Retrying { attempt: 2, of: 4, delay: Secs(3.0), message }, now);
        let next = NextAttempt { attempt: 2, of: 4, at: now + Duration::from_secs(3) };
        assert_eq!((follower.retry(), follower.is_running()), (Some(next), true));
        follower.observe(&start, now);
        assert_eq!((follower.retry(), follower.message()), (None, None));
        assert_eq!(follower.progress().fraction(), 0.0, "an attempt starts over");
        follower.observe(&Event::Interrupted { message: "closing".to_owned() }, now);
        assert_eq!((follower.status(), follower.message()), (JobStatus::Interrupted, Some("closing")));
        follower.observe(&Event::Cancelled, now);
        assert_eq!((follower.status(), follower.is_running()), (JobStatus::Cancelled, false));
    }
}
