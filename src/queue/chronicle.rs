//! A job's record for the history, written while the job tells its story.

use super::job::Job;
use crate::core::{Event, Fault, Outcome, Stage, StageTime, Task, TaskStatus, Utc};
use crate::monitor::peak_resident;

/// Listens to one job. Feed it every event; [`Self::end`] gives the record when the terminal one was heard.
#[derive(Debug)]
pub struct Chronicle {
    task: Task,
    ended: bool,
}

impl Chronicle {
    /// The record of a job that was asked for at `created`, with an id of its own.
    pub fn new(job: &Job, created: Utc) -> Self {
        let draft = &job.draft;
        let task = Task {
            id: Task::new_id(),
            job: job.id.0,
            created,
            prompt: draft.prompt.clone(),
            mode: draft.mode,
            model: job.model.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            // a form with a path that is no text cannot be JSON; the rest of the record is kept
            request: serde_json::to_value(draft).unwrap_or_default(),
            ..Task::default()
        };
        Self { task, ended: false }
    }

    /// The record so far, for what no event tells: retries, findings, estimates.
    pub fn task_mut(&mut self) -> &mut Task {
        &mut self.task
    }

    /// The work begins.
    pub fn begin(&mut self) {
        self.task.started = Some(Utc::now());
    }

    /// Takes in what happened.
    pub fn observe(&mut self, event: &Event) {
        let task = &mut self.task;
        match event {
            Event::Step { stage: Stage::DenoiseHigh | Stage::DenoiseLow, seconds, .. } => {
                task.steps.push(*seconds);
            }
            &Event::StageFinished { stage: name, seconds } => task.stages.push(StageTime { name, seconds }),
            Event::Warning { message } => task.warnings.push(message.clone()),
            Event::Finished { outcome } => self.finished(outcome),
            Event::Failed { error } => {
                task.error = Some(Fault::from(error));
                self.stopped(TaskStatus::Failed);
            }
            Event::Cancelled => self.stopped(TaskStatus::Cancelled),
            Event::Started { .. }
            | Event::StageStarted { .. }
            | Event::Step { .. }
            | Event::Preview { .. }
            | Event::Note { .. } => {}
        }
    }

    /// The record, once the job has ended.
    pub fn end(self) -> Option<Task> {
        self.ended.then_some(self.task)
    }

    fn finished(&mut self, outcome: &Outcome) {
        self.ended = true;
        let output = &outcome.output;
        self.task = Task {
            status: TaskStatus::Done,
            ended: Utc::now(),
            mode: Some(outcome.request.mode),
            model_fingerprint: Some(outcome.model_fingerprint.clone()),
            // what ran says more than what was asked, and reads as a form, too
            request: serde_json::to_value(&outcome.request).unwrap_or_default(),
            // the history is looked at from elsewhere
            output: Some(std::path::absolute(output).unwrap_or_else(|_| output.clone())),
            generation_time_s: Some(outcome.generation_time_s),
            stages: outcome.stages.clone(),
            steps: outcome.steps.clone(),
            peak_rss_mb: outcome.peak_rss_mb,
            peak_vram_mb: outcome.peak_vram_mb,
            provider: Some(outcome.provider.clone()),
            precision: Some(outcome.precision.clone()),
            retries: outcome.retries,
            optimizations: outcome.optimizations.clone(),
            warnings: outcome.warnings.clone(),
            ..std::mem::take(&mut self.task)
        };
    }

    fn stopped(&mut self, status: TaskStatus) {
        self.ended = true;
        self.task.status = status;
        self.task.ended = Utc::now();
        if self.task.started.is_some() {
            self.task.peak_rss_mb = peak_resident().map(|bytes| bytes.0 as f64 / f64::from(1 << 20));
        }
    }
}
