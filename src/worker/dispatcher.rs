//! The dispatcher: the thread that writes down commands, watches the running jobs and wakes the runners.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::live_files::ElsewhereJob;
use super::options::WorkerOptions;
use super::runner::Runner;
use super::runners::{RunnerDevice, Runners};
use super::shared::{Running, Shared};
use super::worker::QueueSnapshot;
use crate::attempt::{JobControl, StopReason, YieldReason};
use crate::core::{Event, FIRST_DEVICE, Result};
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
    data_dir: PathBuf,
    options: WorkerOptions,
    runners: Runners,
    scope: Scope,
}

impl Dispatcher {
    pub(super) fn new(
        data_dir: PathBuf,
        options: WorkerOptions,
        shared: Arc<Shared>,
        snapshot: Arc<Mutex<QueueSnapshot>>,
    ) -> Self {
        let scope = options.scope;
        Self { shared, snapshot, data_dir, options, runners: Runners::default(), scope }
    }

    /// Starts the runners, and works until the handle on the worker is dropped; then it waits for their end.
    pub(super) fn run(&mut self, messages: &Receiver<DispatcherMessage>) {
        let threads = self.start_runners();
        self.work(messages);
        self.runners = Runners::default();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("A runner panicked");
            }
        }
    }

    /// A runner for each device: the driver is asked here, because its answer takes a moment.
    fn start_runners(&mut self) -> Vec<JoinHandle<()>> {
        let devices = match &self.options.devices {
            Some(devices) => devices.clone(),
            None if self.options.has_several() => RunnerDevice::all(&self.data_dir),
            None => vec![RunnerDevice::with_ordinal(FIRST_DEVICE)],
        };
        self.shared.devices.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&devices);
        let mut threads = Vec::new();
        for RunnerDevice { id, .. } in devices {
            let woken = self.runners.add(id.ordinal);
            let (data_dir, options) = (self.data_dir.clone(), self.options.clone());
            let mut runner = Runner::new(data_dir, options, id.ordinal, Arc::clone(&self.shared));
            let thread = Builder::new().name(format!("runner {}", id.ordinal));
            match thread.spawn(move || runner.run(&woken)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    self.report(format!("Cannot start the runner of device {}: {error}", id.ordinal));
                }
            }
        }
        threads
    }

    fn work(&self, messages: &Receiver<DispatcherMessage>) {
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
        let devices = self.shared.devices();
        let next =
            |ordinal| queue.next_of(self.scope, &|draft| RunnerDevice::may_take(&devices, ordinal, draft));
        let is_busy = |ordinal| running.iter().any(|running| running.ordinal == ordinal);
        let mut overtaking = BTreeSet::new();
        let is_paused = self.scope == Scope::Everything && queue.is_paused();
        for running in &running {
            let action = queue.get(running.id).ok().and_then(|job| job.pending_action);
            // an idle runner takes an urgent job, else one running job makes way for it
            let next = next(running.ordinal).filter(|job| {
                let idle =
                    |ordinal| !is_busy(ordinal) && RunnerDevice::may_take(&devices, ordinal, &job.spec.draft);
                !self.runners.ordinals().any(idle) && overtaking.insert(job.id)
            });
            enforce_limits(running, next.map(|job| job.spec.priority));
            if is_paused {
                running.control.leave(YieldReason::QueuePaused);
            }
            apply(&running.control, action);
        }
        if !self.shared.rests() {
            self.runners.wake_idle(is_busy, |ordinal| next(ordinal).map(|job| job.id));
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
