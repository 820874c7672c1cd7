//! The side of the queue that a worker uses: take a job, save how far it is, and end it.

use super::leases::ProgramLease;
use super::queue::{Queue, Scope, find};
use super::state::{Record, State};
use crate::attempt;
use crate::core::{Bytes, Draft, Error, Kind, Result};
use crate::jobs::{EndStatus, HistoryEntry, Job, JobId, JobSpec, JobState, PartialOutput, RetryRecord};

/// Disk space for the resume points of failed jobs, which a retry resumes from.
pub(super) const RESUME_POINTS_OF_FAILED: Bytes = Bytes(2 << 30);

/// Jobs whose prompts may be encoded ahead of time, at most.
const MAX_UPCOMING: usize = 64;

impl Queue {
    /// Takes the next job of those that `may_take` for this program.
    pub(crate) fn claim(&mut self, scope: Scope, may_take: &dyn Fn(&Draft) -> bool) -> Result<Option<Job>> {
        if self.next_of(scope, may_take).is_none() && !self.may_have_changed() {
            return Ok(None);
        }
        let Self { shared, lease, data_dir, .. } = self;
        shared.change(|state| {
            if is_paused_for(state, scope) {
                return Ok((Vec::new(), None));
            }
            let Some(job) = state.first(|job| may_run(job, scope, lease) && may_take(&job.spec.draft)) else {
                return Ok((Vec::new(), None));
            };
            let running = JobState::Running { worker: lease.worker().to_owned() };
            let mut claimed = Job { state: running.clone(), ..job.clone() };
            let Some(dead) = job.worker() else {
                // whatever ended its last program was dealt with then
                claimed.interruptions.out_of_memory = false;
                return Ok((vec![Record::State { id: job.id, state: running }], Some(claimed)));
            };
            let death = lease.death_of(dead, job.id, &attempt::resume_mark(data_dir, &job.uid));
            claimed.interruptions = job.interruptions.after(&death);
            Ok((vec![Record::Put(Box::new(claimed.clone()))], Some(claimed)))
        })
    }

    /// The first job that any runner of this program may take.
    pub(crate) fn next(&self, scope: Scope) -> Option<&Job> {
        self.next_of(scope, &|_| true)
    }

    /// The job that [`Self::claim`] would take.
    pub(crate) fn next_of(&self, scope: Scope, may_take: &dyn Fn(&Draft) -> bool) -> Option<&Job> {
        let state = self.shared.get();
        if is_paused_for(state, scope) {
            return None;
        }
        state.first(|job| may_run(job, scope, &self.lease) && may_take(&job.spec.draft))
    }

    /// Jobs that will read embeddings of the same text encoder as `running`: its model, in the same types. In their order,
    /// and as many as are worth encoding ahead.
    pub(crate) fn upcoming(&self, scope: Scope, running: &JobSpec) -> Vec<Draft> {
        let state = self.shared.get();
        if is_paused_for(state, scope) {
            return Vec::new();
        }
        let types = |spec: &JobSpec| (spec.draft.provider, spec.draft.precision);
        let is_alike = |job: &&Job| {
            let spec = &job.spec;
            spec.model == running.model
                && types(spec) == types(running)
                && spec.draft.components == running.draft.components
        };
        let follows = |job: &&Job| job.state == JobState::Queued && may_run(job, scope, &self.lease);
        let jobs = state.jobs().into_iter().filter(follows).filter(is_alike);
        jobs.take(MAX_UPCOMING).map(|job| job.spec.draft.clone()).collect()
    }

    /// Fails if this program does not run the job `id` any more, after reading what other programs changed.
    pub(crate) fn check_runs_here(&mut self, id: JobId) -> Result<()> {
        self.refresh()?;
        check_is_mine(self.shared.get(), id, &self.lease)
    }

    /// Changes a job that this program runs; fails if it does not run it any more.
    fn change_mine(&mut self, id: JobId, record: Record) -> Result<()> {
        let Self { shared, lease, .. } = self;
        shared.change(|state| check_is_mine(state, id, lease).map(|()| (vec![record], ())))
    }

    /// Whether this program runs `job`.
    pub(crate) fn runs_here(&self, job: &Job) -> bool {
        job.worker() == Some(self.lease.worker())
    }

    /// Lets this program leave a mark if it ends itself while it runs a job.
    pub(crate) fn mark_crashes(&mut self) {
        self.lease.mark_crashes();
    }

    /// Notes where this program is in the job that it runs.
    pub(crate) fn note_place(&self, job: JobId, place: &str) {
        self.lease.note_place(job, place);
    }

    /// Saves what is on disk of a job's video.
    pub(crate) fn save_partial_output(&mut self, id: JobId, output: PartialOutput) -> Result<()> {
        self.change_mine(id, Record::PartialOutput { id, output })
    }

    /// Saves a retry of a job.
    pub(crate) fn save_retry(&mut self, id: JobId, retry: RetryRecord) -> Result<()> {
        self.change_mine(id, Record::Retry { id, retry })
    }

    /// Gives a job back that resumes later, at its turn or when the user resumes it.
    pub(crate) fn give_back(&mut self, id: JobId, state: JobState) -> Result<()> {
        self.change_mine(id, Record::State { id, state })
    }

    /// Pauses a job whose draft is done. When it is resumed, it runs to its end.
    pub(crate) fn pause_after_draft(&mut self, id: JobId) -> Result<()> {
        let Self { shared, lease, .. } = self;
        shared.change(|state| {
            check_is_mine(state, id, lease)?;
            let mut job = find(state, id)?.clone();
            (job.state, job.pending_action, job.spec.draft_steps) = (JobState::Paused, None, None);
            Ok((vec![Record::Put(Box::new(job))], ()))
        })
    }

    /// Ends a job: in the journal first, then in the history.
    ///
    /// `kept_latents` is the disk space for the latents of finished jobs; it is `None` if the job has not finished.
    pub(crate) fn end(&mut self, id: JobId, entry: HistoryEntry, kept_latents: Option<Bytes>) -> Result<()> {
        let state = JobState::Ended { entry: Box::new(entry) };
        self.change_mine(id, Record::State { id, state })?;
        self.after_end(id, kept_latents);
        self.trim();
        Ok(())
    }

    /// Removes the oldest ended jobs from a long list, after the history has them.
    pub(super) fn trim(&mut self) {
        let Self { shared, history, .. } = self;
        let Some(history) = history.as_ref().filter(|_| !shared.get().surplus().is_empty()) else { return };
        let trimmed = shared.change(|state| {
            let recorded = |job: &&Job| job.ended().is_some_and(|entry| history.record(entry).is_ok());
            let surplus = state.surplus().into_iter().filter(recorded);
            Ok((surplus.map(|job| Record::Remove { id: job.id }).collect(), ()))
        });
        if let Err(error) = trimmed {
            tracing::warn!("Cannot remove ended jobs from a long list: {error:#}");
        }
    }

    pub(super) fn after_end(&self, id: JobId, kept_latents: Option<Bytes>) {
        let job = self.shared.get().get(id);
        let Some((job, entry)) = job.and_then(|job| Some((job, job.ended()?))) else { return };
        if let Some(history) = &self.history
            && let Err(error) = history.record(entry)
        {
            tracing::error!("Job {id} is not in the history yet: {error:#}");
        }
        match kept_latents {
            Some(bound) => attempt::keep(&self.data_dir, &job.uid, bound),
            None if entry.status == EndStatus::Failed => {
                attempt::keep(&self.data_dir, &job.uid, RESUME_POINTS_OF_FAILED);
            }
            None => attempt::forget(&self.data_dir, &job.uid),
        }
    }
}

/// Whether the pause of the whole queue holds for a program; one that runs only its own jobs was asked for them.
fn is_paused_for(state: &State, scope: Scope) -> bool {
    scope == Scope::Everything && state.is_paused()
}

/// Fails if the program of `lease` does not run the job `id`.
fn check_is_mine(state: &State, id: JobId, lease: &ProgramLease) -> Result<()> {
    match state.get(id) {
        Some(job) if job.worker() == Some(lease.worker()) => Ok(()),
        _ => Err(Error::new(Kind::Cancelled, format!("Another program runs job {id} now"))),
    }
}

fn may_run(job: &Job, scope: Scope, lease: &ProgramLease) -> bool {
    let is_mine = job.reserved_by.as_deref() == Some(lease.worker());
    let is_free = || is_mine || job.reserved_by.as_deref().is_none_or(|owner| !lease.is_alive(owner));
    match &job.state {
        _ if scope == Scope::Own && !is_mine => false,
        JobState::Queued => is_free(),
        JobState::Running { worker } => worker != lease.worker() && !lease.is_alive(worker),
        JobState::Paused | JobState::Ended { .. } => false,
    }
}
