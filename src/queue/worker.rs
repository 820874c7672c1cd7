//! A program's handle on its engine, and the clerk: the thread that writes down what the person wants of the queue and
//! watches over the job that runs. It begins with the program.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::control::{Leave, Stop};
use super::engine::{Engine, Running, Service, Shared, steer};
use super::job::{JobId, Priority, Work};
use super::queue::{Asked, Queue, Scope};
use super::state::Entry;
use super::task::Heard;
use crate::core::{CancelToken, Error, Event, Kind, Result, Waker};
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
pub enum Order {
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
    Edit(JobId, Box<Work>),
    /// Forget an ended one.
    Remove(JobId),
    /// Forget all ended ones.
    Clear,
}

enum Command {
    Add(Box<Work>, Sender<Result<JobId>>),
    Order(Order),
}

/// The queue as it was last seen, and what could not be done.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Entries in their order.
    pub entries: Arc<[Entry]>,
    /// Errors and notes since the last look, oldest first.
    pub told: Vec<String>,
}

/// A handle on the engine thread. Dropping it stops the running job, which goes on with the next program, and joins
/// the threads.
pub struct Worker {
    commands: Option<Sender<Command>>,
    events: Receiver<(JobId, Event)>,
    sight: Arc<Mutex<Sight>>,
    shared: Arc<Shared>,
    scope: Scope,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the engine of a data folder. `waker` is called after each event and each change of the queue.
    pub fn start(data_dir: PathBuf, service: Service, waker: Waker) -> Result<Self> {
        let scope = service.scope;
        let queue = Queue::open(&data_dir, service.who, &service.faults)?;
        let (sender, events) = bounded(EVENTS);
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            running: Mutex::new(None),
            events: sender,
            waker,
            closing: CancelToken::new(),
        });
        let (wake, woken) = bounded(1);
        let (commands, orders) = bounded(COMMANDS);
        let sight = Arc::<Mutex<Sight>>::default();
        let mut engine = Engine {
            cache: StoredTensors::with_room(&data_dir, service.keep_encoded),
            data_dir,
            service,
            shared: Arc::clone(&shared),
            runtime: None,
            heard: Heard::default(),
        };
        let clerk = Clerk { shared: Arc::clone(&shared), sight: Arc::clone(&sight), wake, scope };
        let mut worker = Self { commands: Some(commands), events, sight, shared, scope, threads: Vec::new() };
        worker.spawn("engine", move || engine.work(&woken))?;
        worker.spawn("clerk", move || clerk.work(&orders))?;
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
    pub fn submit(&self, work: Work) -> Result<Receiver<Result<JobId>>> {
        let (reply, answer) = bounded(1);
        self.command(Command::Add(Box::new(work), reply))?;
        Ok(answer)
    }

    /// Hands over an order. What cannot be done is told in [`Self::sight`].
    pub fn order(&self, order: Order) -> Result<()> {
        self.command(Command::Order(order))
    }

    /// Stops a job now, or keeps it from starting. Its last event will be `Cancelled`.
    pub fn cancel(&self, id: JobId) -> Result<()> {
        // the running one is stopped at once and not when the clerk has time
        if let Some(running) = self.shared.running().as_ref().filter(|running| running.id == id) {
            running.control.stop(Stop::Cancelled);
        }
        self.order(Order::Cancel(id))
    }

    /// Whether nothing runs and nothing waits that may run here.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.queue();
        // a job that was taken runs by the queue until its last event is told
        let runs =
            queue.entries().iter().any(|entry| entry.worker().is_some_and(|worker| queue.is_me(worker)));
        !runs && self.shared.running().is_none() && queue.next(self.scope).is_none() && self.events.is_empty()
    }

    fn command(&self, command: Command) -> Result<()> {
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
    pub fn sight(&self) -> Sight {
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        Sight { entries: Arc::clone(&sight.entries), told: std::mem::take(&mut sight.told) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        if let Some(running) = self.shared.running().as_ref() {
            running.control.stop(Stop::Closing);
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
struct Clerk {
    shared: Arc<Shared>,
    sight: Arc<Mutex<Sight>>,
    wake: Sender<()>,
    scope: Scope,
}

impl Clerk {
    fn work(&self, commands: &Receiver<Command>) {
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

    fn carry_out(&self, command: Command) {
        let mut queue = self.shared.queue();
        match command {
            Command::Add(work, reply) => {
                let added = queue.add(*work, self.scope == Scope::Own);
                drop(queue);
                // whoever asked may have gone
                drop(reply.send(added));
            }
            Command::Order(order) => {
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
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        sight.entries = entries;
        sight.told.extend(notes);
        drop(sight);
        (self.shared.waker)();
    }

    fn say(&self, text: String) {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner).told.push(text);
        (self.shared.waker)();
    }
}

/// A job that takes too long is stopped, one that is overtaken leaves after its step.
fn watch_over(running: &Running, next: Option<Priority>) {
    let over = |timeout| running.since.is_some_and(|since| since.elapsed() > timeout);
    if running.timeout.is_some_and(over) {
        running.control.stop(Stop::TimedOut);
    }
    if next == Some(Priority::Urgent) && running.priority < Priority::Urgent {
        running.control.leave(Leave::Overtaken);
    }
}

/// Carries out an order. The job that was cancelled by it before it ran.
fn carry_out(queue: &mut Queue, order: Order) -> Result<Option<JobId>> {
    match order {
        // it ended by itself in the meantime
        Order::Cancel(id) if queue.get(id)?.ended().is_some() => {}
        Order::Cancel(id) => return Ok((queue.cancel(id)? == Asked::Done).then_some(id)),
        Order::Hold(id) => queue.hold(id).map(drop)?,
        Order::Pause(id) => queue.pause(id).map(drop)?,
        Order::Resume(id) => queue.resume(id)?,
        Order::Place(id, before) => queue.place(id, before)?,
        Order::Prioritise(id, priority) => queue.prioritise(id, priority)?,
        Order::Duplicate(id) => queue.duplicate(id).map(drop)?,
        Order::Retry(id) => queue.retry(id, &[]).map(drop)?,
        Order::Edit(id, work) => queue.edit(id, *work)?,
        Order::Remove(id) => queue.remove(id)?,
        Order::Clear => queue.clear().map(drop)?,
    }
    Ok(None)
}

fn died() -> Error {
    Error::new(Kind::Bug, "The engine thread has ended").remedy("Restart the program")
}
