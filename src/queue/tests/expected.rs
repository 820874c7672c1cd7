//! What the queue should hold after a sequence of commands: a plain list, without journal, locks or records.

use std::collections::BTreeSet;

use crate::jobs::{PendingAction, Priority};

/// What a program does to a job, or to the queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Submit {
        seed: u64,
        priority: Priority,
        own: bool,
    },
    Duplicate,
    Retry,
    Edit {
        seed: u64,
    },
    /// Moves the job before the one of this index, or to the end.
    Move {
        before: Option<usize>,
    },
    SetPriority(Priority),
    Pause {
        keep_memory: bool,
    },
    Resume,
    Cancel,
    Remove,
    ClearEnded,
    /// Takes the next job to run it.
    Claim,
    /// Ends the job if the program runs it.
    End,
    /// Gives the job back if the program runs it.
    GiveBack {
        paused: bool,
    },
    /// Saves a retry of the job if the program runs it.
    SaveRetry,
}

/// What an action answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Done,
    /// The job that was added or taken.
    Job(u64),
    Rejected,
}

/// A program, counted from 0; a restarted one has a new number.
pub(super) type Program = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    Paused,
    Running(Program),
    Ended,
}

/// What a job is expected to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedJob {
    pub(super) id: u64,
    pub(super) seed: u64,
    pub(super) priority: Priority,
    pub(super) phase: Phase,
    pub(super) reserved_by: Option<Program>,
    pub(super) pending: Option<PendingAction>,
    pub(super) num_retries: usize,
}

/// What the queue is expected to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    order: Vec<ExpectedJob>,
    last: u64,
    pub(super) alive: BTreeSet<Program>,
    /// Jobs that ever ended.
    pub(super) ended: BTreeSet<u64>,
    /// Jobs that were removed from the list.
    pub(super) removed: BTreeSet<u64>,
}

impl Expected {
    /// Jobs in the order in which they run.
    pub(super) fn jobs(&self) -> Vec<ExpectedJob> {
        [Priority::Urgent, Priority::Normal, Priority::Low]
            .into_iter()
            .flat_map(|priority| self.order.iter().filter(move |job| job.priority == priority))
            .cloned()
            .collect()
    }

    /// What `program` is answered for `action` on the job `id`.
    pub(super) fn apply(&mut self, program: Program, action: Action, id: u64) -> Reply {
        match action {
            Action::Submit { seed, priority, own } => self.add(seed, priority, own.then_some(program)),
            Action::ClearEnded => {
                let gone = self.order.extract_if(.., |job| job.phase == Phase::Ended).map(|job| job.id);
                self.removed.extend(gone);
                Reply::Done
            }
            Action::Claim => self.claim(program),
            Action::Move { .. } => unreachable!("see move_before"),
            _ => match self.order.iter().position(|job| job.id == id) {
                Some(at) => self.apply_to(at, program, action),
                None => Reply::Rejected,
            },
        }
    }

    /// Moves a job before another one, or to the end.
    pub(super) fn move_before(&mut self, id: u64, before: Option<u64>) -> Reply {
        let position = |order: &[ExpectedJob], id| order.iter().position(|job: &ExpectedJob| job.id == id);
        let Some(at) = position(&self.order, id) else { return Reply::Rejected };
        if before.is_some_and(|before| position(&self.order, before).is_none()) {
            return Reply::Rejected;
        }
        if before != Some(id) {
            let job = self.order.remove(at);
            let to = before.and_then(|before| position(&self.order, before)).unwrap_or(self.order.len());
            self.order.insert(to, job);
        }
        Reply::Done
    }

    fn add(&mut self, seed: u64, priority: Priority, reserved_by: Option<Program>) -> Reply {
        self.last += 1;
        self.order.push(ExpectedJob {
            id: self.last,
            seed,
            priority,
            phase: Phase::Queued,
            reserved_by,
            pending: None,
            num_retries: 0,
        });
        Reply::Job(self.last)
    }

    fn claim(&mut self, program: Program) -> Reply {
        let may_run = |job: &ExpectedJob| match job.phase {
            Phase::Queued => {
                job.reserved_by.is_none_or(|owner| owner == program || !self.alive.contains(&owner))
            }
            Phase::Running(other) => other != program && !self.alive.contains(&other),
            Phase::Paused | Phase::Ended => false,
        };
        let Some(next) = self.jobs().into_iter().find(may_run) else { return Reply::Done };
        let job = self.order.iter_mut().find(|job| job.id == next.id).unwrap();
        job.phase = Phase::Running(program);
        Reply::Job(next.id)
    }

    fn apply_to(&mut self, at: usize, program: Program, action: Action) -> Reply {
        let job = &mut self.order[at];
        let runs_here = job.phase == Phase::Running(program);
        let runs = matches!(job.phase, Phase::Running(other) if self.alive.contains(&other));
        let has_ended = job.phase == Phase::Ended;
        match action {
            Action::Duplicate => {
                let (seed, priority) = (job.seed, job.priority);
                return self.add(seed, priority, None);
            }
            Action::Retry if has_ended => {
                let (seed, priority) = (job.seed, job.priority);
                return self.add(seed, priority, None);
            }
            Action::Edit { seed } if matches!(job.phase, Phase::Queued | Phase::Paused) => {
                (job.seed, job.priority, job.num_retries) = (seed, Priority::Normal, 0);
            }
            Action::SetPriority(priority) => job.priority = priority,
            Action::Pause { keep_memory } if runs => {
                job.pending = Some(PendingAction::Pause { keep_memory });
            }
            Action::Pause { keep_memory: false }
                if matches!(job.phase, Phase::Queued | Phase::Running(_)) =>
            {
                (job.phase, job.pending) = (Phase::Paused, None);
            }
            Action::Resume if job.phase == Phase::Paused => job.phase = Phase::Queued,
            Action::Resume if matches!(job.phase, Phase::Running(_)) => job.pending = None,
            Action::Cancel if runs => job.pending = Some(PendingAction::Cancel),
            Action::Cancel if !has_ended => self.end(at),
            Action::Remove if has_ended => {
                let gone = self.order.remove(at);
                self.removed.insert(gone.id);
            }
            Action::End if runs_here => self.end(at),
            Action::GiveBack { paused } if runs_here => {
                (job.phase, job.pending) = (if paused { Phase::Paused } else { Phase::Queued }, None);
            }
            Action::SaveRetry if runs_here => job.num_retries += 1,
            _ => return Reply::Rejected,
        }
        Reply::Done
    }

    fn end(&mut self, at: usize) {
        let job = &mut self.order[at];
        (job.phase, job.pending) = (Phase::Ended, None);
        self.ended.insert(job.id);
    }
}
