//! The job of the queue that is edited in the form, while the form's own content waits.

use super::form::Form;
use super::state::FormState;
use super::undo::Undo;
use crate::app::panels::compose::Editing;
use crate::core::Result;
use crate::jobs::{Job, JobId, JobSpec, JobState};

/// The content of the form before a job of the queue was opened for editing.
pub(super) struct Aside {
    job: JobId,
    state: FormState,
    undo: Undo,
}

impl Form {
    /// Opens a job of the queue in the form for editing; the previous content is saved.
    pub(in crate::app) fn edit(&mut self, entry: &Job) {
        let job = entry.id;
        let state = self.state();
        self.draft = entry.spec.draft.clone();
        self.context.reason = format!("the settings of job {job}");
        (self.context.preset, self.context.routed_mode) = (None, None);
        self.context.timeout_s = Some(entry.spec.timeout_s.unwrap_or(0));
        let fresh = Undo::new(self.state());
        let undo = std::mem::replace(&mut self.undo, fresh);
        // if several jobs are edited in a row, only the content before the first is the user's own draft
        let aside = self.aside.take().map(|aside| Aside { job, ..aside });
        self.aside = Some(aside.unwrap_or(Aside { job, state, undo }));
    }

    /// The job that is being edited, and the reason why it can no longer be changed.
    pub(in crate::app) fn editing(&self, queue: &[Job]) -> Option<Editing> {
        let job = self.aside.as_ref()?.job;
        let locked_reason = match queue.iter().find(|entry| entry.id == job).map(|entry| &entry.state) {
            Some(JobState::Queued | JobState::Paused) => None,
            Some(JobState::Running { .. }) => Some(format!("Job {job} is already running")),
            Some(JobState::Ended { .. }) | None => Some(format!("Job {job} has ended")),
        };
        Some(Editing { job, locked_reason })
    }

    /// The job that was edited, with this form. A video that was named after its draft gets a new name.
    pub(in crate::app) fn edited(&self, entry: &Job) -> Result<JobSpec> {
        let timeout_s = self.time_limit().map(|limit| limit.0 as u64);
        Ok(JobSpec { timeout_s, ..self.planner.replan(&entry.spec, self.draft.clone())? })
    }

    /// Restores the content of the form from before a job was opened.
    pub(in crate::app) fn end_editing(&mut self) {
        if let Some(Aside { state, undo, .. }) = self.aside.take() {
            (self.draft, self.context) = (state.draft, state.context);
            self.undo = undo;
        }
    }

    /// The form that is kept for the next start: that of before, while a job is edited.
    pub(in crate::app) fn own_state(&self) -> FormState {
        self.aside.as_ref().map_or_else(|| self.state(), |aside| aside.state.clone())
    }
}
