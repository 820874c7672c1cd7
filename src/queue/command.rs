//! What the user can ask of the queue.

use super::group::GroupVerb;
use super::queue::{Queue, find};
use super::state::{Record, State};
use crate::attempt;
use crate::core::{Error, Fix, Kind, Result};
use crate::jobs::{
    HistoryEntry, Interruptions, Job, JobId, JobSpec, JobState, PartialOutput, PendingAction, Priority,
    RunRecorder,
};
use crate::library::History;

/// A command for the queue. Each has a method of [`Queue`] with the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueCommand {
    /// End a job.
    Cancel(JobId),
    /// Pause a job.
    Pause {
        /// The job.
        id: JobId,
        /// Whether it keeps its memory.
        keep_memory: bool,
    },
    /// Resume a paused job.
    Resume(JobId),
    /// Move a job.
    Move {
        /// The job.
        id: JobId,
        /// The job it comes before; the end of the queue if `None`.
        before: Option<JobId>,
    },
    /// Set the priority of a job.
    SetPriority {
        /// The job.
        id: JobId,
        /// Its new priority.
        priority: Priority,
    },
    /// Add a copy of a job.
    Duplicate(JobId),
    /// Run an ended job again.
    Retry(JobId),
    /// Replace the settings of a job.
    Edit {
        /// The job.
        id: JobId,
        /// Its new settings.
        spec: Box<JobSpec>,
    },
    /// Remove an ended job from the list.
    Remove(JobId),
    /// Remove all ended jobs from the list.
    ClearEnded,
    /// Several commands, each by itself: one that fails does not keep the others from being carried out.
    Many(Vec<Self>),
    /// Do the same with every job of a group for which it is possible.
    Group {
        /// The group's id.
        id: String,
        /// What to do.
        verb: GroupVerb,
    },
    /// Pause the whole queue, until the user resumes it.
    PauseAll,
    /// Resume the whole queue.
    ResumeAll,
}

/// Whether a command for a job is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It is done.
    Done,
    /// The program that runs the job was asked to do it after the current step.
    Requested,
}

impl Queue {
    /// Carries out a command other than [`QueueCommand::Many`] and [`QueueCommand::Group`]. Returns the job if it was
    /// cancelled before it ran.
    pub(crate) fn carry_out(&mut self, command: QueueCommand) -> Result<Option<JobId>> {
        match command {
            QueueCommand::Cancel(id) => {
                self.refresh()?;
                if self.get(id)?.ended().is_some() {
                    // it ended by itself in the meantime
                    return Ok(None);
                }
                return Ok((self.cancel(id)? == Acknowledgement::Done).then_some(id));
            }
            QueueCommand::Pause { id, keep_memory } => self.pause(id, keep_memory).map(drop)?,
            QueueCommand::Resume(id) => self.resume(id)?,
            QueueCommand::Move { id, before } => self.move_before(id, before)?,
            QueueCommand::SetPriority { id, priority } => self.set_priority(id, priority)?,
            QueueCommand::Duplicate(id) => self.duplicate(id).map(drop)?,
            QueueCommand::Retry(id) => self.retry(id, &[]).map(drop)?,
            QueueCommand::Edit { id, spec } => self.edit(id, *spec)?,
            QueueCommand::Remove(id) => self.remove(id)?,
            QueueCommand::ClearEnded => self.clear_ended().map(drop)?,
            QueueCommand::Many(commands) => {
                for command in commands {
                    self.carry_out(command)?;
                }
            }
            QueueCommand::Group { id, verb } => {
                for command in self.group_commands(&id, &verb)? {
                    self.carry_out(command)?;
                }
            }
            QueueCommand::PauseAll => self.pause_all().map(drop)?,
            QueueCommand::ResumeAll => self.resume_all().map(drop)?,
        }
        Ok(None)
    }

    /// Adds a job at the end. With `own`, only this program may run it, as long as the program runs.
    pub fn add(&mut self, spec: JobSpec, own: bool) -> Result<JobId> {
        let reserved_by = own.then(|| self.lease.worker().to_owned());
        self.add_decided(reserved_by, |_| Ok(spec))
    }

    /// Adds several jobs at the end, all of them or none. With `own`, only this program may run them, as long as the
    /// program runs.
    pub fn add_all(&mut self, specs: Vec<JobSpec>, own: bool) -> Result<Vec<JobId>> {
        specs.iter().try_for_each(JobSpec::check_storable)?;
        let reserved_by = own.then(|| self.lease.worker().to_owned());
        self.shared.change(|state| {
            let JobId(first) = state.next_id()?;
            let numbered = (first..).zip(specs);
            let jobs: Vec<_> = numbered
                .map(|(id, spec)| {
                    let job = Job::new(JobId(id), HistoryEntry::new_id(), spec);
                    Box::new(Job { reserved_by: reserved_by.clone(), ..job })
                })
                .collect();
            let ids = jobs.iter().map(|job| job.id).collect();
            Ok((jobs.into_iter().map(Record::Put).collect(), ids))
        })
    }

    /// Adds a copy of a job at the end.
    pub fn duplicate(&mut self, id: JobId) -> Result<JobId> {
        self.add_decided(None, |state| Ok(find(state, id)?.spec.clone()))
    }

    /// Adds an ended job again, with `fixes` applied. Steps whose result stays the same are not denoised again.
    pub fn retry(&mut self, id: JobId, fixes: &[Fix]) -> Result<JobId> {
        self.add_decided(None, |state| {
            let job = find(state, id)?;
            if job.ended().is_none() {
                return Err(not_now(id, "has not ended").remedy("Cancel or edit it instead"));
            }
            let mut spec = job.spec.with_fixes(fixes);
            spec.latents_of = Some(job.uid.clone());
            Ok(spec)
        })
    }

    /// Adds a job whose settings depend on the queue as it is on disk, not as this program last read it.
    fn add_decided(
        &mut self,
        reserved_by: Option<String>,
        decide: impl FnOnce(&State) -> Result<JobSpec>,
    ) -> Result<JobId> {
        let uid = HistoryEntry::new_id();
        self.shared.change(|state| {
            let spec = decide(state)?;
            spec.check_storable()?;
            let job = Job { reserved_by, ..Job::new(state.next_id()?, uid, spec) };
            let id = job.id;
            Ok((vec![Record::Put(Box::new(job))], id))
        })
    }

    /// Replaces the settings of a queued or paused job. What is left of a video with the old ones is removed.
    pub fn edit(&mut self, id: JobId, spec: JobSpec) -> Result<()> {
        spec.check_storable()?;
        let partial = self.shared.change(|state| {
            let mut job = find(state, id)?.clone();
            match job.state {
                JobState::Queued | JobState::Paused => {}
                JobState::Running { .. } => {
                    return Err(not_now(id, "is running").remedy("Pause or cancel it first"));
                }
                JobState::Ended { .. } => return Err(has_ended(id)),
            }
            check_not_placed(&job)?;
            job.spec = spec;
            job.retries.clear();
            job.interruptions = Interruptions::default();
            let partial = std::mem::take(&mut job.partial_output);
            Ok((vec![Record::Put(Box::new(job))], partial))
        })?;
        attempt::abandon(&partial);
        Ok(())
    }

    /// Moves a job before another one, or to the end.
    pub fn move_before(&mut self, id: JobId, before: Option<JobId>) -> Result<()> {
        self.shared.change(|state| {
            find(state, id)?;
            before.map_or(Ok(()), |before| find(state, before).map(drop))?;
            Ok((vec![Record::Move { id, before }], ()))
        })
    }

    /// Sets the priority of a job.
    pub fn set_priority(&mut self, id: JobId, priority: Priority) -> Result<()> {
        self.shared.change(|state| {
            let mut job = find(state, id)?.clone();
            job.spec.priority = priority;
            Ok((vec![Record::Put(Box::new(job))], ()))
        })
    }

    /// Pauses a job: a queued one at once, a running one after its current step.
    ///
    /// Only a running job can keep its memory; another one is rejected then with [`Kind::Input`].
    pub fn pause(&mut self, id: JobId, keep_memory: bool) -> Result<Acknowledgement> {
        self.ask(id, PendingAction::Pause { keep_memory }, |job| match job.state {
            JobState::Queued | JobState::Paused if keep_memory => {
                Err(not_now(id, "is not running").remedy("Pause it without keeping its memory"))
            }
            JobState::Queued => Ok(JobState::Paused),
            JobState::Paused => Err(not_now(id, "is already paused")),
            _ => Err(has_ended(id)),
        })
    }

    /// Resumes a paused job.
    pub fn resume(&mut self, id: JobId) -> Result<()> {
        self.shared.change(|state| match find(state, id)?.state {
            JobState::Paused => Ok((vec![Record::State { id, state: JobState::Queued }], ())),
            JobState::Running { .. } => Ok((vec![Record::PendingAction { id, action: None }], ())),
            JobState::Queued => Err(not_now(id, "is not paused")),
            JobState::Ended { .. } => Err(has_ended(id)),
        })
    }

    /// Ends a job: a running one as soon as its program has stopped it.
    pub fn cancel(&mut self, id: JobId) -> Result<Acknowledgement> {
        let cancelled = |job: &Job| RunRecorder::default().history_entry(job, None, Err(&Error::cancelled()));
        let mut partial = PartialOutput::default();
        let done = self.ask(id, PendingAction::Cancel, |job| {
            if let JobState::Ended { .. } = job.state {
                Err(not_now(id, "has already ended"))
            } else {
                check_not_placed(job)?;
                partial = job.partial_output.clone();
                Ok(JobState::Ended { entry: Box::new(cancelled(job)) })
            }
        })?;
        if done == Acknowledgement::Done {
            attempt::abandon(&partial);
            self.after_end(id, None);
        }
        Ok(done)
    }

    /// Removes an ended job from the list; it stays in the history.
    pub fn remove(&mut self, id: JobId) -> Result<()> {
        let Self { shared, history, .. } = self;
        shared.change(|state| match find(state, id)?.ended() {
            Some(entry) => {
                record_before_removal(history.as_ref(), entry)?;
                Ok((vec![Record::Remove { id }], ()))
            }
            None => Err(not_now(id, "has not ended").remedy("Cancel it first")),
        })
    }

    /// Removes all ended jobs from the list and returns their number; they stay in the history.
    pub fn clear_ended(&mut self) -> Result<usize> {
        let Self { shared, history, .. } = self;
        shared.change(|state| {
            let ended = state.jobs().into_iter().filter_map(|job| Some((job.id, job.ended()?)));
            let remove =
                |(id, entry)| record_before_removal(history.as_ref(), entry).map(|()| Record::Remove { id });
            let records = ended.map(remove).collect::<Result<Vec<_>>>()?;
            let count = records.len();
            Ok((records, count))
        })
    }

    /// Pauses the whole queue, also for later programs: no job starts, and a running one yields after its step. Jobs
    /// keep their own states. Returns whether it was not paused before.
    ///
    /// A job that a program runs for itself, such as `wandeck generate`, is not stopped.
    pub fn pause_all(&mut self) -> Result<bool> {
        self.set_paused(true)
    }

    /// Resumes the whole queue; jobs that the user paused one by one stay paused. Returns whether it was paused.
    pub fn resume_all(&mut self) -> Result<bool> {
        self.set_paused(false)
    }

    fn set_paused(&mut self, paused: bool) -> Result<bool> {
        self.shared.change(|state| {
            let differs = state.is_paused() != paused;
            let records = if differs { vec![Record::QueuePaused { paused }] } else { Vec::new() };
            Ok((records, differs))
        })
    }

    /// Asks the program that runs a job for `action`, or sets the state of a job that no program runs.
    fn ask(
        &mut self,
        id: JobId,
        action: PendingAction,
        state_if_not_running: impl FnOnce(&Job) -> Result<JobState>,
    ) -> Result<Acknowledgement> {
        let Self { shared, lease, .. } = self;
        let set = |state| (vec![Record::State { id, state }], Acknowledgement::Done);
        shared.change(|state: &State| {
            let job = find(state, id)?;
            match job.worker() {
                Some(worker) if lease.is_alive(worker) => {
                    let record = Record::PendingAction { id, action: Some(action) };
                    Ok((vec![record], Acknowledgement::Requested))
                }
                Some(_) => {
                    let interrupted = Job { state: JobState::Queued, ..job.clone() };
                    state_if_not_running(&interrupted).map(set)
                }
                None => state_if_not_running(job).map(set),
            }
        })
    }
}

/// Writes an ended job into the history before it leaves the list: its program may have died in between.
pub(super) fn record_before_removal(history: Option<&History>, entry: &HistoryEntry) -> Result<()> {
    match history {
        Some(history) => history.record(entry),
        None => Err(Error::new(Kind::Io, "Ended jobs stay in the list until the history can be written")
            .remedy("\"wandeck doctor\" says what is wrong with the history")),
    }
}

/// Fails if the video of a job is finished and its program died before it could say so.
fn check_not_placed(job: &Job) -> Result<()> {
    match attempt::placed(&job.partial_output) {
        Some(video) => Err(not_now(job.id, &format!("has already made its video, {}", video.display()))
            .remedy("Let the queue run, which records it; then add a new job")),
        None => Ok(()),
    }
}

fn not_now(id: JobId, why: &str) -> Error {
    Error::new(Kind::Input, format!("Job {id} {why}")).field("job")
}

fn has_ended(id: JobId) -> Error {
    not_now(id, "has ended").remedy("Retry it instead")
}
