//! A program's handle on its worker.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::dispatcher::{Dispatcher, DispatcherMessage};
use super::live_files::{ElsewhereJob, LiveFiles};
use super::options::WorkerOptions;
use super::shared::Shared;
use crate::attempt::StopReason;
use crate::core::{CancelToken, Error, Event, Kind, Result, Waker};
use crate::jobs::{Job, JobId, JobSpec};
use crate::pipeline::memory_of_sessions;
use crate::queue::{Queue, QueueCommand, Scope};

/// Commands that may wait for the dispatcher.
const MAX_COMMANDS: usize = 256;
/// Events that may wait for the receiver; a runner waits when there are more.
const MAX_EVENTS: usize = 1024;

/// The queue as last read, and what went wrong since.
#[derive(Clone, Debug, Default)]
pub struct QueueSnapshot {
    /// Jobs in the order in which they run.
    pub jobs: Arc<[Job]>,
    /// Whether the whole queue is paused.
    pub is_paused: bool,
    /// The jobs that other programs run.
    pub elsewhere: Arc<[ElsewhereJob]>,
    /// Errors and notes since the last snapshot, oldest first.
    pub messages: Vec<String>,
}

/// A handle on the worker threads. Dropping it stops the running jobs, which the next program resumes, and joins the
/// threads.
pub struct Worker {
    commands: Option<Sender<DispatcherMessage>>,
    events: Receiver<(JobId, Event)>,
    snapshot: Arc<Mutex<QueueSnapshot>>,
    shared: Arc<Shared>,
    scope: Scope,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the worker of a data folder. `waker` is called after each event and each change of the queue.
    pub fn start(data_dir: PathBuf, options: WorkerOptions, waker: Waker) -> Result<Self> {
        let scope = options.scope;
        let mut queue = Queue::open(&data_dir, options.who, &options.faults)?;
        queue.mark_crashes();
        let (sender, events) = bounded(MAX_EVENTS);
        if let Some(monitor) = &options.monitor {
            monitor.measure_weights(memory_of_sessions);
        }
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            devices: Mutex::default(),
            running: Mutex::default(),
            pending_ends: Mutex::default(),
            disk_full: Mutex::default(),
            device_lost: AtomicBool::default(),
            events: sender,
            waker,
            closing: CancelToken::new(),
            monitor: options.monitor.clone(),
            live: LiveFiles::new(&data_dir),
        });
        let (commands, received) = bounded(MAX_COMMANDS);
        let snapshot = Arc::<Mutex<QueueSnapshot>>::default();
        let mut worker = Self {
            commands: Some(commands),
            events,
            snapshot: Arc::clone(&snapshot),
            shared: Arc::clone(&shared),
            scope,
            threads: Vec::new(),
        };
        let mut dispatcher = Dispatcher::new(data_dir, options, shared, snapshot);
        worker.spawn("dispatcher", move || dispatcher.run(&received))?;
        Ok(worker)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = Builder::new().name(name.to_owned()).spawn(body).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot start the {name} thread"))
                .because(error)
                .remedy("Restart the program")
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Adds a job. Its number arrives when the job is saved; its events follow on [`Self::events`].
    pub fn submit(&self, spec: JobSpec) -> Result<Receiver<Result<JobId>>> {
        let (reply, answer) = bounded(1);
        self.send(DispatcherMessage::Add(Box::new(spec), reply))?;
        Ok(answer)
    }

    /// Adds several jobs, all of them or none. Their numbers arrive when they are saved.
    pub fn submit_all(&self, specs: Vec<JobSpec>) -> Result<Receiver<Result<Vec<JobId>>>> {
        let (reply, answer) = bounded(1);
        self.send(DispatcherMessage::AddAll(specs, reply))?;
        Ok(answer)
    }

    /// Sends a command for the queue. If it fails, [`Self::snapshot`] says why.
    pub fn command(&self, command: QueueCommand) -> Result<()> {
        self.send(DispatcherMessage::Command(command))
    }

    /// Cancels a job, before it runs or while it runs. Its last event will be `Cancelled`.
    pub fn cancel(&self, id: JobId) -> Result<()> {
        // a running job is stopped at once, not when the dispatcher has time
        if let Some(running) = self.shared.running().iter().find(|running| running.id == id) {
            running.control.stop(StopReason::Cancelled);
        }
        self.command(QueueCommand::Cancel(id))
    }

    /// Whether no job runs here and none is queued that may run here.
    pub fn is_idle(&self) -> bool {
        let queue = self.shared.queue();
        // a claimed job counts as running until its last event is sent
        let is_running = queue.jobs().iter().any(|job| queue.runs_here(job));
        !is_running
            && self.shared.running().is_empty()
            && (self.shared.rests() || queue.next(self.scope).is_none())
            && self.shared.pending_ends().is_empty()
            && self.events.is_empty()
    }

    /// Fails if the program should end: its data folder is gone, or the end of a job cannot be saved. Nothing that was
    /// acknowledged is lost; the next program goes on.
    pub fn check(&self) -> Result<()> {
        self.shared.queue().check_place()?;
        self.shared.check_pending_ends()
    }

    /// Whether jobs are left in the queue because the disk is full.
    pub fn is_disk_full(&self) -> bool {
        self.shared.is_disk_full()
    }

    /// Whether jobs are left in the queue because this program lost a device.
    pub fn is_device_lost(&self) -> bool {
        self.shared.device_lost.load(Ordering::Acquire)
    }

    /// Stops the running jobs, which the next program resumes, and returns the last events.
    pub fn shut_down(mut self) -> Vec<(JobId, Event)> {
        self.stop()
    }

    fn stop(&mut self) -> Vec<(JobId, Event)> {
        self.shared.closing.cancel();
        for running in self.shared.running().iter() {
            running.control.stop(StopReason::Closing);
        }
        self.commands = None;
        let mut last = Vec::new();
        for thread in self.threads.drain(..) {
            // the thread may wait for space in the event channel
            while !thread.is_finished() {
                while let Ok(event) = self.events.recv_timeout(Duration::from_millis(10)) {
                    last.push(event);
                }
            }
            if thread.join().is_err() {
                tracing::error!("A thread of the worker panicked");
            }
        }
        last.extend(self.events.try_iter());
        last
    }

    fn send(&self, message: DispatcherMessage) -> Result<()> {
        let Some(commands) = &self.commands else { return Err(dispatcher_ended()) };
        commands.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => {
                Error::new(Kind::Input, format!("{MAX_COMMANDS} commands are already waiting"))
                    .remedy("Wait a moment")
            }
            TrySendError::Disconnected(_) => dispatcher_ended(),
        })
    }

    /// The events of all jobs that run here, in order. Each job that ends here sends exactly one terminal event.
    pub fn events(&self) -> &Receiver<(JobId, Event)> {
        &self.events
    }

    /// The queue as last read. Each message is returned once.
    pub fn snapshot(&self) -> QueueSnapshot {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = std::mem::take(&mut snapshot.messages);
        QueueSnapshot {
            jobs: Arc::clone(&snapshot.jobs),
            is_paused: snapshot.is_paused,
            elsewhere: Arc::clone(&snapshot.elsewhere),
            messages,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

fn dispatcher_ended() -> Error {
    Error::new(Kind::Bug, "The dispatcher thread has ended").remedy("Restart the program")
}
