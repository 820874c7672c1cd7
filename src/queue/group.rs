//! Verbs for a whole group of jobs, such as the cells of a sweep.

use super::command::QueueCommand;
use super::queue::Queue;
use crate::core::Result;
use crate::jobs::{EndStatus, Job, JobId, JobState, Priority};

/// What can be done with all jobs of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupVerb {
    /// End the jobs that have not ended.
    Cancel,
    /// Pause the jobs that are queued or run.
    Pause,
    /// Resume the paused jobs.
    Resume,
    /// Run the failed and cancelled jobs again.
    Retry,
    /// Set the priority of the jobs that have not ended.
    SetPriority(Priority),
    /// Move the jobs that have not ended before this one, in their order; to the end of the queue if `None`.
    Move(Option<JobId>),
    /// Remove the ended jobs from the list.
    Remove,
}

impl Queue {
    /// The commands that carry out `verb` for the group `id`, after reading what other programs changed.
    pub(crate) fn group_commands(&mut self, id: &str, verb: &GroupVerb) -> Result<Vec<QueueCommand>> {
        self.refresh()?;
        let jobs = self.jobs();
        let is_member = |job: &&&Job| job.spec.group.as_ref().is_some_and(|group| group.id == id);
        let members = jobs.iter().filter(is_member);
        Ok(members.filter_map(|job| command(job, verb, &jobs)).collect())
    }
}

/// The command that carries out `verb` for `job`; none where it does not apply. `all` are the jobs of the queue.
fn command(job: &Job, verb: &GroupVerb, all: &[&Job]) -> Option<QueueCommand> {
    let id = job.id;
    let is_open = job.ended().is_none();
    match verb {
        GroupVerb::Cancel => is_open.then_some(QueueCommand::Cancel(id)),
        GroupVerb::Pause => {
            let can_pause = matches!(job.state, JobState::Queued | JobState::Running { .. });
            can_pause.then_some(QueueCommand::Pause { id, keep_memory: false })
        }
        GroupVerb::Resume => {
            let can_resume = matches!(job.state, JobState::Paused) || job.pending_action.is_some();
            can_resume.then_some(QueueCommand::Resume(id))
        }
        GroupVerb::Retry => {
            let has_failed = job.ended().is_some_and(|entry| entry.status != EndStatus::Done);
            // a cell that was retried already is not run twice
            (has_failed && !is_retried(job, all)).then_some(QueueCommand::Retry(id))
        }
        GroupVerb::SetPriority(priority) => {
            is_open.then_some(QueueCommand::SetPriority { id, priority: *priority })
        }
        GroupVerb::Move(before) => {
            (is_open && *before != Some(id)).then_some(QueueCommand::Move { id, before: *before })
        }
        GroupVerb::Remove => (!is_open).then_some(QueueCommand::Remove(id)),
    }
}

/// Whether a later job has the same place in the same group.
fn is_retried(job: &Job, all: &[&Job]) -> bool {
    all.iter().any(|other| other.id > job.id && other.spec.group == job.spec.group)
}
