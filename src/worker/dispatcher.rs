//! The dispatcher: the thread that writes down commands, watches the running jobs and wakes the runners.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::live_files::ElsewhereJob;
use super::runners::Runners;
use super::shared::{Running, Shared};
use super::worker::QueueSnapshot;
use crate::attempt::{JobControl, StopReason, YieldReason};
use crate::core::{Event, Result};
use crate::jobs::{JobId, JobSpec, PendingAction, Priority};
use crate::queue::{QueueCommand, Scope};

/// How often other programs' changes and time limits are checked while a job runs.
const POLL_RUNNING: Duration = Duration::from_millis(100);
/// How often other programs' changes are checked while no job runs.
const POLL_IDLE: Duration = Duration::from_secs(1);

/// How often the reports of other programs' jobs are read.
const ELSEWHERE: Duration = Duration::from_millis(500);

/// A message to the dispatcher.
pub(super) enum DispatcherMessage {
    Add(Box<JobSpec>, Sender<Result<JobId>>),
    AddAll(Vec<JobSpec>, Sender<Result<Vec<JobId>>>),
    Command(QueueCommand),
}

/// The state of the dispatcher thread.
pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    snapshot: Arc<Mutex<QueueSnapshot>>,
    runners: Runners,
    scope: Scope,
}

impl Dispatcher {
    pub(super) fn new(
        shared: Arc<Shared>,
        snapshot: Arc<Mutex<QueueSnapshot>>,
        runners: Runners,
        scope: Scope,
    ) -> Self {
        Self { shared, snapshot, runners, scope }
    }

    /// Works until the handle on the worker is dropped.
    pub(super) fn run(&self, messages: &Receiver<DispatcherMessage>) {
        let mut published = None;
        let mut reported = String::new();
        let mut looked = None;
        loop {
            self.shared.save_pending_ends();
            let revision = self.shared.queue().revision();
            // the runners change the queue, too
            if published != Some(revision) {
                self.publish();
                published = Some(revision);
            }
            self.watch();
            self.look_elsewhere(&mut looked);
            let is_idle = self.shared.running().is_empty() && self.shared.pending_ends().is_empty();
            let wait = if is_idle { POLL_IDLE } else { POLL_RUNNING };
            match messages.recv_timeout(wait) {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => self.refresh(&mut reported),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn handle(&self, message: DispatcherMessage) {
        let mut queue = self.shared.queue();
        match message {
            DispatcherMessage::Add(spec, reply) => {
                let added = queue.add(*spec, self.scope == Scope::Own);
                drop(queue);
                // the program that asked may have ended
                drop(reply.send(added));
            }
            DispatcherMessage::AddAll(specs, reply) => {
                let added = queue.add_all(specs, self.scope == Scope::Own);
                drop(queue);
                drop(reply.send(added));
            }
            DispatcherMessage::Command(QueueCommand::Group { id, verb }) => {
                let commands = queue.group_commands(&id, &verb);
                drop(queue);
                match commands {
                    Ok(all) => self.handle(DispatcherMessage::Command(QueueCommand::Many(all))),
                    Err(error) => self.report(format!("{error:#}")),
                }
            }
            DispatcherMessage::Command(QueueCommand::Many(commands)) => {
                drop(queue);
                for command in commands {
                    self.handle(DispatcherMessage::Command(command));
                }
            }
            DispatcherMessage::Command(command) => {
                let done = queue.carry_out(command);
                drop(queue);
                match done {
                    Ok(Some(cancelled)) => self.shared.send(cancelled, Event::Cancelled),
                    Ok(None) => {}
                    Err(error) => self.report(format!("{error:#}")),
                }
            }
        }
    }

    /// Reads what other programs changed.
    fn refresh(&self, reported: &mut String) {
        let mut queue = self.shared.queue();
        if !queue.may_have_changed() {
            return;
        }
        let message = queue.refresh().err().map(|error| format!("{error:#}")).unwrap_or_default();
        // the same error comes again with every look
        if message != *reported && !message.is_empty() {
            self.report(message.clone());
        }
        *reported = message;
    }

    /// Passes pending actions to the running jobs and wakes a runner if a job is queued.
    fn watch(&self) {
        let queue = self.shared.queue();
        let running = self.shared.running().clone();
        let next = queue.next(self.scope).map(|job| job.spec.priority);
        let is_paused = self.scope == Scope::Everything && queue.is_paused();
        for running in &running {
            let action = queue.get(running.id).ok().and_then(|job| job.pending_action);
            enforce_limits(running, next);
            if is_paused {
                running.control.leave(YieldReason::QueuePaused);
            }
            apply(&running.control, action);
        }
        if next.is_some() && !self.shared.rests() {
            self.runners.wake_idle(|ordinal| running.iter().any(|running| running.ordinal == ordinal));
        }
    }

    /// Reads how far the jobs of other programs are, at most once in [`ELSEWHERE`].
    fn look_elsewhere(&self, looked: &mut Option<Instant>) {
        let now = Instant::now();
        let is_due = looked.is_none_or(|looked| now.saturating_duration_since(looked) >= ELSEWHERE);
        if self.scope == Scope::Own || !is_due {
            return;
        }
        *looked = Some(now);
        let queue = self.shared.queue();
        let others: Vec<_> = queue
            .jobs()
            .into_iter()
            .filter(|job| job.worker().is_some() && !queue.runs_here(job))
            .map(|job| (job.id, queue.is_interrupted(job)))
            .collect();
        drop(queue);
        let before = {
            let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&snapshot.elsewhere)
        };
        let known = |id| before.iter().find(|job: &&ElsewhereJob| job.id == id);
        let read = |(id, is_interrupted)| self.shared.live.read(id, is_interrupted, known(id));
        let elsewhere: Vec<_> = others.into_iter().map(read).collect();
        let is_same = elsewhere.len() == before.len()
            && elsewhere.iter().zip(before.iter()).all(|(now, before)| now.is_same(before));
        if !is_same {
            self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).elsewhere = elsewhere.into();
            (self.shared.waker)();
        }
    }

    fn publish(&self) {
        let mut queue = self.shared.queue();
        let jobs = queue.jobs().into_iter().cloned().collect();
        let (notes, is_paused) = (queue.take_notes(), queue.is_paused());
        drop(queue);
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        (snapshot.jobs, snapshot.is_paused) = (jobs, is_paused);
        snapshot.messages.extend(notes);
        drop(snapshot);
        (self.shared.waker)();
    }

    fn report(&self, message: String) {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).messages.push(message);
        (self.shared.waker)();
    }
}

/// Stops a job at its time limit, and lets it yield after its step to an urgent one.
fn enforce_limits(running: &Running, next: Option<Priority>) {
    // the time before it got its device, and in which it was paused or waited for a retry, is not running time
    let ran = running.since.map(|since| since.elapsed().saturating_sub(running.control.waited()));
    let is_over = |limit| ran.is_some_and(|ran| ran > limit);
    if running.time_limit.is_some_and(is_over) {
        running.control.stop(StopReason::TimedOut);
    }
    if next == Some(Priority::Urgent) && running.priority < Priority::Urgent {
        running.control.leave(YieldReason::Overtaken);
    }
}

/// Applies what the user asked of a running job.
pub(super) fn apply(control: &JobControl, action: Option<PendingAction>) {
    match action {
        Some(PendingAction::Cancel) => control.stop(StopReason::Cancelled),
        Some(PendingAction::Pause { keep_memory: false }) => control.leave(YieldReason::Paused),
        Some(PendingAction::Pause { keep_memory: true }) => control.pause(true),
        None => control.pause(false),
    }
}
