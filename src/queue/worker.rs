//! The engine thread: it starts with the program, owns the runtime and every session, and works on one job at
//! a time.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::chronicle::Chronicle;
use super::job::{Job, JobId};
use super::run::run_job;
use crate::core::{CancelToken, Error, Event, Kind, Result, Utc, Waker};
use crate::engine::Runtime;
use crate::engine::runtime;
use crate::store::{History, Settings, StoredTensors};

/// Jobs that may wait for the thread.
const JOBS: usize = 256;
/// Events that may wait for whoever reads them; the thread waits when there are more.
const EVENTS: usize = 1024;

/// The job that runs or ran last, and how to stop it; the ones cancelled while they waited.
#[derive(Default)]
struct Stops {
    running: Option<(JobId, CancelToken)>,
    waiting: Vec<JobId>,
    closing: bool,
}

/// A handle on the engine thread. Dropping it stops the running job and joins the thread.
pub struct Worker {
    jobs: Option<Sender<(Job, Utc)>>,
    events: Receiver<(JobId, Event)>,
    stops: Arc<Mutex<Stops>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. `waker` is called after each event.
    pub fn start(data_dir: PathBuf, waker: Waker) -> Result<Self> {
        let (jobs, waiting) = bounded::<(Job, Utc)>(JOBS);
        let (sender, events) = bounded(EVENTS);
        let stops = Arc::<Mutex<Stops>>::default();
        let shared = Arc::clone(&stops);
        let work = move || {
            // what is odd about the settings is told by whoever shows them
            let (settings, _) = Settings::load(&data_dir);
            let mut cache = StoredTensors::with_room(&data_dir, settings.records.cache());
            let history = open_history(&data_dir);
            for (job, created) in waiting {
                let chronicle = RefCell::new(Chronicle::new(&job, created));
                let send = |event: Event| {
                    // nobody listens any more only when the program is closing
                    if sender.send((job.id, event)).is_ok() {
                        waker();
                    }
                };
                let tell = |event: Event| {
                    chronicle.borrow_mut().observe(&event);
                    send(event);
                };
                let last = if let Some(cancel) = begin(&shared, job.id) {
                    chronicle.borrow_mut().begin();
                    last_event(&data_dir, &job, &mut cache, &cancel, &tell)
                } else {
                    Event::Cancelled
                };
                // written down before it is told: whoever hears of the end finds it in the history
                let mut chronicle = chronicle.into_inner();
                chronicle.observe(&last);
                record(history.as_ref(), chronicle);
                send(last);
            }
        };
        let thread = Builder::new().name("engine".to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, "The engine thread cannot be started")
                .because(error)
                .remedy("Restart the program")
        })?;
        Ok(Self { jobs: Some(jobs), events, stops, thread: Some(thread) })
    }

    /// Hands over a job; its events follow on [`Self::events`].
    pub fn submit(&self, job: Job) -> Result<()> {
        let Some(jobs) = &self.jobs else { return Err(died()) };
        jobs.try_send((job, Utc::now())).map_err(|error| match error {
            TrySendError::Full(_) => Error::new(Kind::Input, format!("{JOBS} jobs are waiting already"))
                .remedy("Wait for some of them to end"),
            TrySendError::Disconnected(_) => died(),
        })
    }

    /// Stops a job now, or keeps it from starting. Its last event will be `Cancelled`.
    pub fn cancel(&self, id: JobId) {
        let mut stops = lock(&self.stops);
        match &stops.running {
            Some((running, cancel)) if *running == id => cancel.cancel(),
            _ => stops.waiting.push(id),
        }
    }

    /// What happens, in order; exactly one terminal event per job.
    pub fn events(&self) -> &Receiver<(JobId, Event)> {
        &self.events
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut stops = lock(&self.stops);
        stops.closing = true;
        if let Some((_, cancel)) = &stops.running {
            cancel.cancel();
        }
        drop(stops);
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        // the thread may be waiting for room in the channel
        while !thread.is_finished() {
            while self.events.recv_timeout(std::time::Duration::from_millis(10)).is_ok() {}
        }
        if thread.join().is_err() {
            tracing::error!("The engine thread ended by a panic");
        }
    }
}

/// The token of a job that begins now; none if it was cancelled before.
fn begin(stops: &Mutex<Stops>, id: JobId) -> Option<CancelToken> {
    let mut stops = lock(stops);
    let asked_for = stops.waiting.contains(&id);
    stops.waiting.retain(|waiting| *waiting != id);
    let cancel = CancelToken::new();
    stops.running = Some((id, cancel.clone()));
    (!asked_for && !stops.closing).then_some(cancel)
}

fn last_event(
    data_dir: &Path,
    job: &Job,
    cache: &mut StoredTensors,
    cancel: &CancelToken,
    tell: &dyn Fn(Event),
) -> Event {
    let run = || -> Result<_> {
        let runtime = open_runtime(data_dir, cancel, tell)?;
        run_job(&runtime, job, cache, cancel, &mut |event| tell(event))
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(outcome)) => Event::Finished { outcome: Box::new(outcome) },
        Ok(Err(error)) if error.kind == Kind::Cancelled => Event::Cancelled,
        Ok(Err(error)) => Event::Failed { error },
        Err(panic) => Event::Failed { error: bug_from_panic(panic.as_ref()) },
    }
}

fn open_runtime(data_dir: &Path, cancel: &CancelToken, tell: &dyn Fn(Event)) -> Result<Runtime> {
    runtime::ensure(data_dir, cancel, &mut |event| tell(Event::Note { message: event.to_string() }))
}

/// Jobs run without a history, too.
fn open_history(data_dir: &Path) -> Option<History> {
    let opened = History::open(data_dir);
    let (history, notes) =
        opened.inspect_err(|error| tracing::warn!("Ended jobs are not recorded: {error:#}")).ok()?;
    for note in notes {
        tracing::warn!("{note}");
    }
    Some(history)
}

fn record(history: Option<&History>, chronicle: Chronicle) {
    let (Some(history), Some(task)) = (history, chronicle.end()) else { return };
    if let Err(error) = history.record(&task) {
        tracing::warn!("An ended job is not recorded: {error:#}");
    }
}

fn bug_from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text =
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    Error::new(Kind::Bug, format!("The job broke off by a mistake in the program: {text}"))
        .remedy("Please report it; other jobs can go on")
}

fn died() -> Error {
    Error::new(Kind::Bug, "The engine thread has ended").remedy("Restart the program")
}

fn lock(stops: &Mutex<Stops>) -> std::sync::MutexGuard<'_, Stops> {
    stops.lock().unwrap_or_else(PoisonError::into_inner)
}
