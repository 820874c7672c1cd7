//! Follows one job by its id, whichever program or device runs it.

use std::sync::Arc;

use crate::core::{Event, Frame, Progress};
use crate::jobs::{JobId, JobStatus, RunRecorder};

/// What a job has reported so far: progress, last preview, last message, status.
///
/// Feed it the events of [`super::Worker::events`]; those of other jobs are ignored.
#[derive(Clone, Debug)]
pub struct JobFollower {
    id: JobId,
    recorder: RunRecorder,
    preview: Option<Arc<[Frame]>>,
    message: Option<String>,
    status: JobStatus,
}

impl JobFollower {
    /// Follows the job `id`, which counts as queued until it starts.
    pub fn new(id: JobId) -> Self {
        Self { id, recorder: RunRecorder::default(), preview: None, message: None, status: JobStatus::Queued }
    }

    /// The job that it follows.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Takes in an event of the job `id`. Returns whether it is the followed job.
    pub fn observe(&mut self, id: JobId, event: &Event) -> bool {
        if id != self.id {
            return false;
        }
        self.recorder.observe(event);
        match event {
            Event::Preview { frames, .. } => self.preview = Some(Arc::clone(frames)),
            Event::StageStarted { .. } => self.message = None,
            Event::Note { message }
            | Event::Warning { message }
            | Event::Retrying { message, .. }
            | Event::Interrupted { message } => self.message = Some(message.clone()),
            _ => {}
        }
        self.status = match event {
            Event::Finished { .. } => JobStatus::Done,
            Event::Failed { .. } => JobStatus::Failed,
            Event::Cancelled => JobStatus::Cancelled,
            Event::Interrupted { .. } => JobStatus::Interrupted,
            _ => JobStatus::Running,
        };
        true
    }

    /// How far the job is.
    pub fn progress(&self) -> &Progress {
        self.recorder.progress()
    }

    /// The last preview: one small image for each latent frame.
    pub fn preview(&self) -> Option<&Arc<[Frame]>> {
        self.preview.as_ref()
    }

    /// The last note or warning of the current stage.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The status of the job by its events.
    pub fn status(&self) -> JobStatus {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Secs, Seed, Stage};

    #[test]
    fn events_of_other_jobs_are_ignored() {
        let mut follower = JobFollower::new(JobId(1));
        assert!(!follower.observe(JobId(2), &Event::Cancelled));
        assert_eq!(follower.status(), JobStatus::Queued);
        let plan = vec![(Stage::DenoiseHigh, 2)];
        assert!(follower.observe(JobId(1), &Event::Started { seed: Seed(1), plan }));
        let stage = Stage::DenoiseHigh;
        follower.observe(JobId(1), &Event::StageStarted { stage });
        follower.observe(JobId(1), &Event::Step { stage, step: 1, of: 2, seconds: Secs(1.0) });
        follower.observe(JobId(2), &Event::Step { stage, step: 2, of: 2, seconds: Secs(1.0) });
        assert_eq!(follower.status(), JobStatus::Running);
        assert_eq!(follower.progress().stage(), Some((stage, 1, 2)));
        follower.observe(JobId(1), &Event::Note { message: "a note".to_owned() });
        assert_eq!(follower.message(), Some("a note"));
        follower.observe(JobId(1), &Event::Cancelled);
        assert_eq!(follower.status(), JobStatus::Cancelled);
    }
}
