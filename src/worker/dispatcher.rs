//! A program's handle on its engine, and the clerk: the thread that writes down what the person wants of the queue and
//! watches over the job that runs. It begins with the program.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::runner::{Runner, Running, Shared, WorkerOptions, steer};
use crate::attempt::{StopReason, YieldReason};
use crate::core::{CancelToken, Error, Event, Kind, Result, Waker};
use crate::jobs::{JobEntry, JobId, JobSpec, Priority, RunRecorder};
use crate::pipeline::SessionCache;
use crate::queue::{Acknowledgement, Queue, Scope};
use crate::store::StoredTensors;

/// Commands that may wait for the clerk.
const COMMANDS: usize = 256;
/// Events that may wait for whoever reads them; the engine waits when there are more.
const EVENTS: usize = 1024;
/// How often the clerk looks what other programs did and how long the job runs, while one runs.
const WATCH: Duration = Duration::from_millis(100);
/// Likewise, while none runs.
const IDLE: Duration = Duration::from_secs(1);

/// What a person can want of the queue; see the function of [`Queue`] with the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueCommand {
    /// Stop for good.
    Cancel(JobId),
    /// Pause and give the memory back.
    Hold(JobId),
    /// Pause with all its memory.
    Pause(JobId),
    /// Go on.
    Resume(JobId),
    /// Stand before another one, or at the end.
    Place(JobId, Option<JobId>),
    /// Come before others.
    Prioritise(JobId, Priority),
    /// The same again.
    Duplicate(JobId),
    /// An ended one again.
    Retry(JobId),
    /// Another form.
    Edit(JobId, Box<JobSpec>),
    /// Forget an ended one.
    Remove(JobId),
    /// Forget all ended ones.
    Clear,
}

enum DispatcherMessage {
    Add(Box<JobSpec>, Sender<Result<JobId>>),
    QueueCommand(QueueCommand),
}

/// The queue as it was last seen, and what could not be done.
#[derive(Clone, Debug, Default)]
pub struct QueueSnapshot {
    /// Entries in their order.
    pub entries: Arc<[JobEntry]>,
    /// Errors and notes since the last look, oldest first.
    pub told: Vec<String>,
}

/// A handle on the engine thread. Dropping it stops the running job, which goes on with the next program, and joins
/// the threads.
pub struct Worker {
    commands: Option<Sender<DispatcherMessage>>,
    events: Receiver<(JobId, Event)>,
    snapshot: Arc<Mutex<QueueSnapshot>>,
    shared: Arc<Shared>,
    scope: Scope,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the engine of a data folder. `waker` is called after each event and each change of the queue.
    pub fn start(data_dir: PathBuf, service: WorkerOptions, waker: Waker) -> Result<Self> {
        let scope = service.scope;
        let queue = Queue::open(&data_dir, service.who, &service.faults)?;
        let (sender, events) = bounded(EVENTS);
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            running: Mutex::new(None),
            events: sender,
            waker,
            closing: CancelToken::new(),
            monitor: service.monitor.clone(),
        });
        let (wake, woken) = bounded(1);
        let (commands, orders) = bounded(COMMANDS);
        let snapshot = Arc::<Mutex<QueueSnapshot>>::default();
        let mut engine = Runner {
            cache: StoredTensors::with_room(&data_dir, service.keep_encoded),
            data_dir,
            // a program that works on its own jobs ends with them
            sessions: match service.scope {
                Scope::Everything => SessionCache::between_jobs(),
                Scope::Own => SessionCache::for_one_job(),
            },
            service,
            shared: Arc::clone(&shared),
            runtime: None,
            recorded: RunRecorder::default(),
        };
        let dispatcher =
            Dispatcher { shared: Arc::clone(&shared), snapshot: Arc::clone(&snapshot), wake, scope };
        let mut worker =
            Self { commands: Some(commands), events, snapshot, shared, scope, threads: Vec::new() };
        worker.spawn("engine", move || engine.work(&woken))?;
        worker.spawn("dispatcher", move || dispatcher.work(&orders))?;
        Ok(worker)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, format!("The thread {name} cannot be started"))
                .because(error)
                .remedy("Restart the program")
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Hands over work. Its number comes when the job is safe on disk; its events follow on [`Self::events`].
    pub fn submit(&self, work: JobSpec) -> Result<Receiver<Result<JobId>>> {
        let (reply, answer) = bounded(1);
        self.command(DispatcherMessage::Add(Box::new(work), reply))?;
        Ok(answer)
    }

    /// Hands over an order. What cannot be done is told in [`Self::snapshot`].
    pub fn order(&self, order: QueueCommand) -> Result<()> {
        self.command(DispatcherMessage::QueueCommand(order))
    }

    /// Stops a job now, or keeps it from starting. Its last event will be `Cancelled`.
    pub fn cancel(&self, id: JobId) -> Result<()> {
        // the running one is stopped at once and not when the clerk has time
        if let Some(running) = self.shared.running().as_ref().filter(|running| running.id == id) {
            running.control.stop(StopReason::Cancelled);
        }
        self.order(QueueCommand::Cancel(id))
    }

    /// Whether nothing runs and nothing waits that may run here.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.queue();
        // a job that was taken runs by the queue until its last event is told
        let runs =
            queue.entries().iter().any(|entry| entry.worker().is_some_and(|worker| queue.is_me(worker)));
        !runs && self.shared.running().is_none() && queue.next(self.scope).is_none() && self.events.is_empty()
    }

    fn command(&self, command: DispatcherMessage) -> Result<()> {
        let Some(commands) = &self.commands else { return Err(died()) };
        commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => {
                Error::new(Kind::Input, format!("{COMMANDS} orders are waiting already"))
                    .remedy("Wait a moment")
            }
            TrySendError::Disconnected(_) => died(),
        })
    }

    /// What happens, in order; exactly one terminal event per job that ends here.
    pub fn events(&self) -> &Receiver<(JobId, Event)> {
        &self.events
    }

    /// The queue as it is. What was told is told once.
    pub fn snapshot(&self) -> QueueSnapshot {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        QueueSnapshot { entries: Arc::clone(&snapshot.entries), told: std::mem::take(&mut snapshot.told) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        if let Some(running) = self.shared.running().as_ref() {
            running.control.stop(StopReason::Closing);
        }
        self.commands = None;
        for thread in self.threads.drain(..) {
            // the thread may be waiting for room in the channel
            while !thread.is_finished() {
                while self.events.recv_timeout(Duration::from_millis(10)).is_ok() {}
            }
            if thread.join().is_err() {
                tracing::error!("A thread of the engine ended by a panic");
            }
        }
    }
}

/// The clerk thread's own.
struct Dispatcher {
    shared: Arc<Shared>,
    snapshot: Arc<Mutex<QueueSnapshot>>,
    wake: Sender<()>,
    scope: Scope,
}

impl Dispatcher {
    fn work(&self, commands: &Receiver<DispatcherMessage>) {
        let mut shown = None;
        loop {
            let revision = self.shared.queue().revision();
            // the engine changes it, too
            if shown != Some(revision) {
                self.show();
                shown = Some(revision);
            }
            self.look();
            let wait = if self.shared.running().is_some() { WATCH } else { IDLE };
            match commands.recv_timeout(wait) {
                Ok(command) => self.carry_out(command),
                Err(RecvTimeoutError::Timeout) => self.refresh(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn carry_out(&self, command: DispatcherMessage) {
        let mut queue = self.shared.queue();
        match command {
            DispatcherMessage::Add(work, reply) => {
                let added = queue.add(*work, self.scope == Scope::Own);
                drop(queue);
                // whoever asked may have gone
                drop(reply.send(added));
            }
            DispatcherMessage::QueueCommand(order) => {
                let done = carry_out(&mut queue, order);
                drop(queue);
                match done {
                    Ok(Some(id)) => self.shared.tell(id, Event::Cancelled),
                    Ok(None) => {}
                    Err(error) => self.say(format!("{error:#}")),
                }
            }
        }
    }

    /// Takes in what other programs changed.
    fn refresh(&self) {
        let mut queue = self.shared.queue();
        if queue.may_have_news()
            && let Err(error) = queue.refresh()
        {
            self.say(format!("{error:#}"));
        }
    }

    /// Steers the running job, and wakes the engine when there is something to do.
    fn look(&self) {
        let queue = self.shared.queue();
        let running = self.shared.running().clone();
        let next = queue.next(self.scope).map(|entry| entry.job.work.priority);
        match running {
            Some(running) => {
                let wish = queue.get(running.id).ok().and_then(|entry| entry.wish);
                watch_over(&running, next);
                steer(&running.control, wish);
            }
            // the engine looks itself for what comes after a job; one wake that waits is enough
            None if next.is_some() => drop(self.wake.try_send(())),
            None => {}
        }
    }

    fn show(&self) {
        let mut queue = self.shared.queue();
        let entries = queue.entries().into_iter().cloned().collect();
        let notes = queue.take_notes();
        drop(queue);
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        snapshot.entries = entries;
        snapshot.told.extend(notes);
        drop(snapshot);
        (self.shared.waker)();
    }

    fn say(&self, text: String) {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).told.push(text);
        (self.shared.waker)();
    }
}

/// A job that takes too long is stopped, one that is overtaken leaves after its step.
fn watch_over(running: &Running, next: Option<Priority>) {
    let over = |timeout| running.since.is_some_and(|since| since.elapsed() > timeout);
    if running.timeout.is_some_and(over) {
        running.control.stop(StopReason::TimedOut);
    }
    if next == Some(Priority::Urgent) && running.priority < Priority::Urgent {
        running.control.leave(YieldReason::Overtaken);
    }
}

/// Carries out an order. The job that was cancelled by it before it ran.
fn carry_out(queue: &mut Queue, order: QueueCommand) -> Result<Option<JobId>> {
    match order {
        // it ended by itself in the meantime
        QueueCommand::Cancel(id) if queue.get(id)?.ended().is_some() => {}
        QueueCommand::Cancel(id) => return Ok((queue.cancel(id)? == Acknowledgement::Done).then_some(id)),
        QueueCommand::Hold(id) => queue.hold(id).map(drop)?,
        QueueCommand::Pause(id) => queue.pause(id).map(drop)?,
        QueueCommand::Resume(id) => queue.resume(id)?,
        QueueCommand::Place(id, before) => queue.place(id, before)?,
        QueueCommand::Prioritise(id, priority) => queue.prioritise(id, priority)?,
        QueueCommand::Duplicate(id) => queue.duplicate(id).map(drop)?,
        QueueCommand::Retry(id) => queue.retry(id, &[]).map(drop)?,
        QueueCommand::Edit(id, work) => queue.edit(id, *work)?,
        QueueCommand::Remove(id) => queue.remove(id)?,
        QueueCommand::Clear => queue.clear().map(drop)?,
    }
    Ok(None)
}

fn died() -> Error {
    Error::new(Kind::Bug, "The engine thread has ended").remedy("Restart the program")
}
