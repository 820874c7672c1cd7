//! The engine thread: it owns the runtime and every session, takes one job of the queue after the other, and repeats
//! what failed and may mend itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::attempt::{
    AttemptContext, AttemptEnd, JobControl, ResumePoints, StopReason, YieldReason, attempt, complete,
};
use crate::core::{Bytes, CancelToken, Error, Event, Faults, Fix, Kind, Outcome, Result, Stage, Utc, Waker};
use crate::engine::{Runtime, runtime};
use crate::jobs::ladder::{self, Failed};
use crate::jobs::{
    self, JobEntry, JobId, JobSpec, JobState, PendingAction, Priority, RetryRecord, RunRecorder,
};
use crate::library::PerformanceStore;
use crate::models;
use crate::monitor::Monitor;
use crate::pipeline::SessionCache;
use crate::plan::drop_sessions_if_short;
use crate::queue::{Queue, Scope, device_lock};
use crate::store::{HeldLock, Settings, StoredTensors};

/// How a program works on the queue.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Who it is, for those who have to wait: "the window".
    pub who: &'static str,
    /// Which jobs it works on.
    pub scope: Scope,
    /// Attempts after the first that failed.
    pub most_retries: u32,
    /// Wait before the second attempt; each next one is twice as long.
    pub back_off: Duration,
    /// Threads of one operation; 0 for all cores.
    pub threads: usize,
    /// Whether the cost of a job is looked at before it runs.
    pub preflight: bool,
    /// Disk for texts and pictures that were encoded.
    pub keep_encoded: Bytes,
    /// Disk for the latents of finished jobs, which can be decoded again.
    pub keep_latents: Bytes,
    /// Faults made on purpose.
    pub faults: Faults,
    /// Measures while a job runs, for the data folder's records; none records nothing.
    pub monitor: Option<Monitor>,
}

impl WorkerOptions {
    /// The program `who` with the source documents' error handling: 3 retries, the first after 2 s.
    pub fn new(who: &'static str, scope: Scope) -> Self {
        Self {
            who,
            scope,
            most_retries: 3,
            back_off: Duration::from_secs(2),
            threads: 0,
            preflight: true,
            keep_encoded: Bytes(1 << 30),
            keep_latents: Bytes(2 << 30),
            faults: Faults::default(),
            monitor: None,
        }
    }

    /// Likewise, as a person has set it.
    #[must_use]
    pub fn settled(self, settings: &Settings) -> Self {
        Self {
            most_retries: settings.generation.retries,
            back_off: settings.errors.backoff(),
            threads: settings.hardware.threads as usize,
            preflight: settings.generation.preflight,
            keep_encoded: settings.records.cache(),
            keep_latents: settings.records.latents(),
            ..self
        }
    }
}

/// The job on the engine.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) id: JobId,
    pub(super) priority: Priority,
    pub(super) control: JobControl,
    /// When it got the device; the time before is not its own.
    pub(super) since: Option<Instant>,
    pub(super) timeout: Option<Duration>,
}

/// What the engine and the clerk share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) running: Mutex<Option<Running>>,
    pub(super) events: Sender<(JobId, Event)>,
    pub(super) waker: Waker,
    pub(super) closing: CancelToken,
    pub(super) monitor: Option<Monitor>,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, id: JobId, event: Event) {
        if let Some(monitor) = &self.monitor {
            monitor.observe(id.0, &event);
        }
        // nobody listens any more only when the program is closing
        if self.events.send((id, event)).is_ok() {
            (self.waker)();
        }
    }
}

/// The engine thread's own.
pub(super) struct Runner {
    pub(super) data_dir: PathBuf,
    pub(super) service: WorkerOptions,
    pub(super) shared: Arc<Shared>,
    pub(super) cache: StoredTensors,
    /// Sessions that stay loaded between jobs; dropped before the runtime.
    pub(super) sessions: SessionCache,
    pub(super) runtime: Option<Runtime>,
    /// What the attempt told that runs or ran last.
    pub(super) recorded: RunRecorder,
}

/// How the work on a job ended this time.
enum Ending {
    Done(Box<Outcome>),
    Failed(Error),
    /// It goes on later.
    Later(JobState, &'static str),
}

impl Runner {
    /// Works whenever it is woken, until the program closes.
    pub(super) fn work(&mut self, wake: &Receiver<()>) {
        while self.is_woken(wake) {
            while !self.shared.closing.is_cancelled() {
                let claimed = self.shared.queue().claim(self.service.scope);
                match claimed {
                    Ok(Some(entry)) => self.serve(entry),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!("No job can be taken from the queue: {error:#}");
                        break;
                    }
                }
            }
        }
    }

    /// Waits for work; false once the program closes. Sessions of earlier jobs are dropped meanwhile if another program
    /// needs their memory.
    fn is_woken(&mut self, wake: &Receiver<()>) -> bool {
        loop {
            if self.sessions.is_empty() {
                return wake.recv().is_ok();
            }
            match wake.recv_timeout(MEMORY_POLL) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    if drop_sessions_if_short(&mut self.sessions) {
                        tracing::info!("Memory is short: the loaded model was dropped");
                    }
                }
            }
        }
    }

    /// Works on a job until it ended or goes on later, and tells its last event once that is safe on disk.
    fn serve(&mut self, entry: JobEntry) {
        let id = entry.job.id;
        let running = Running {
            id,
            priority: entry.job.work.priority,
            control: JobControl::default(),
            since: None,
            timeout: entry.job.work.timeout_s.map(Duration::from_secs),
        };
        let control = running.control.clone();
        *self.shared.running() = Some(running);
        if self.shared.closing.is_cancelled() {
            control.stop(StopReason::Closing);
        }
        steer(&control, entry.wish);
        let started = Utc::now();
        let ending = self.work_on(&entry, &control);
        self.end(entry, started, ending);
        *self.shared.running() = None;
        self.keep_measurements(id);
    }

    /// Writes down what was measured while the job ran. Nobody waits for it, and no video is worse without it.
    fn keep_measurements(&self, id: JobId) {
        let timeline = self.shared.monitor.as_ref().and_then(|monitor| monitor.end_job(id.0));
        if let Some(timeline) = timeline
            && let Err(error) = PerformanceStore::new(&self.data_dir).add(timeline)
        {
            tracing::warn!("{error:#}");
        }
    }

    /// Writes down how a job ended and then tells it.
    fn end(&self, entry: JobEntry, started: Utc, ending: Ending) {
        let id = entry.job.id;
        let mut queue = self.shared.queue();
        // what failed on the way is known to the queue alone
        let entry = queue.get(id).map_or(entry, Clone::clone);
        let (written, event) = match ending {
            Ending::Done(outcome) => {
                let task = jobs::ended(&entry, Some(started), Ok(&outcome));
                let task = self.recorded.expected(task);
                (queue.end(id, task, Some(self.service.keep_latents)), Event::Finished { outcome })
            }
            Ending::Failed(error) => {
                let task = self.recorded.fill(self.recorded.expected(jobs::ended(
                    &entry,
                    Some(started),
                    Err(&error),
                )));
                let event =
                    if error.kind == Kind::Cancelled { Event::Cancelled } else { Event::Failed { error } };
                (queue.end(id, task, None), event)
            }
            Ending::Later(status, why) => {
                (queue.give_back(id, status), Event::Interrupted { message: why.to_owned() })
            }
        };
        drop(queue);
        if let Err(error) = written {
            let message = format!("The end of job {id} is not written down, it may run again: {error:#}");
            tracing::error!("{message}");
            self.shared.tell(id, Event::Warning { message });
        }
        self.shared.tell(id, event);
    }

    /// Attempts the job until it ends; between attempts something is changed.
    fn work_on(&mut self, entry: &JobEntry, control: &JobControl) -> Ending {
        let id = entry.job.id;
        // it may be stopped before its first attempt
        self.recorded = RunRecorder::default();
        let _device = match self.device(id, control) {
            Ok(device) => device,
            Err(error) => return ended(error, control),
        };
        if let Some(running) = self.shared.running().as_mut() {
            running.since = Some(Instant::now());
        }
        if let Some(monitor) = &self.shared.monitor {
            monitor.begin_job(&entry.job.uid, id.0);
        }
        let shared = Arc::clone(&self.shared);
        if entry.trace.hidden.is_some() {
            match complete(&entry.job.work, &entry.trace, &mut |event| shared.tell(id, event)) {
                Ok(Some(outcome)) => return Ending::Done(Box::new(outcome)),
                Ok(None) => {}
                Err(error) => tracing::warn!("What a crash left of job {id} is begun again: {error:#}"),
            }
        }
        let mut retries = entry.retries.clone();
        let mut num_failed = 0;
        loop {
            let mut stage = Stage::Preflight;
            let error = match self.once(entry, &retries, control, &mut stage) {
                Ok(AttemptEnd::Done(outcome)) => return Ending::Done(outcome),
                Ok(AttemptEnd::Yielded) => return left(control),
                Err(error) => error,
            };
            let may_be_mended = ladder::is_retryable(error.kind) || jobs::may_help(error.kind);
            if error.kind == Kind::Cancelled || !may_be_mended {
                return ended(error, control);
            }
            let Some(changes) = next_changes(entry, &retries, &error, stage) else {
                return Ending::Failed(error);
            };
            if num_failed == self.service.most_retries {
                // what would be tried next is the person's to try
                let changes = if error.fixes().is_empty() { changes } else { error.fixes().to_vec() };
                return Ending::Failed(error.with_fixes(changes));
            }
            let delay = self.service.back_off * 2_u32.saturating_pow(num_failed);
            num_failed += 1;
            let retry = RetryRecord { told: told(&error, stage, &changes), changes };
            let message = format!("{}, in {:.0} s", retry.told, delay.as_secs_f64());
            self.shared.tell(id, Event::Retrying { attempt: num_failed + 1, message });
            if let Err(error) = self.shared.queue().retried(id, retry.clone()) {
                return ended(error, control);
            }
            retries.push(retry);
            if let Err(error) = control.cancel.check_after(delay) {
                return ended(error, control);
            }
        }
    }

    /// One attempt; a panic is an error.
    fn once(
        &mut self,
        entry: &JobEntry,
        retries: &[RetryRecord],
        control: &JobControl,
        stage: &mut Stage,
    ) -> Result<AttemptEnd> {
        let id = entry.job.id;
        let changes = retries.iter().flat_map(|retry| &retry.changes);
        let work = entry.job.work.after(changes);
        let shared = Arc::clone(&self.shared);
        self.recorded = RunRecorder::default();
        let recorded = &mut self.recorded;
        let mut send = |event: Event| {
            recorded.observe(&event);
            if let Event::StageStarted { stage: begun } = &event {
                *stage = *begun;
            }
            shared.tell(id, event);
        };
        let run = || {
            let runtime = match self.runtime.take() {
                Some(runtime) => runtime,
                None => runtime::ensure(&self.data_dir, &control.cancel, &mut |event| {
                    send(Event::Note { message: event.to_string() });
                })?,
            };
            let runtime = self.runtime.insert(runtime);
            let other = work.latents_of.as_deref();
            let mut states = ResumePoints::of(&self.data_dir, &entry.job.uid, other, &self.service.faults);
            let bench = AttemptContext {
                runtime,
                data_dir: self.service.preflight.then_some(self.data_dir.as_path()),
                cache: &mut self.cache,
                sessions: &mut self.sessions,
                control,
                faults: &self.service.faults,
                threads: self.service.threads,
                resume_points: Some(&mut states),
                record_output: &mut |trace| self.shared.queue().trace(id, trace),
            };
            attempt(&work, retries, bench, &mut send)
        };
        let end =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(bug_from_panic(panic.as_ref())));
        self.drop_sessions_after(&end, control);
        end
    }

    /// Drops the loaded sessions after a failure, which may be theirs or lack their memory, and for a pause that frees
    /// the memory.
    fn drop_sessions_after(&mut self, end: &Result<AttemptEnd>, control: &JobControl) {
        let is_freed = match end {
            Ok(AttemptEnd::Done(_)) => false,
            Ok(AttemptEnd::Yielded) => matches!(control.leaving(), Some(YieldReason::Held)),
            Err(error) => error.kind != Kind::Cancelled,
        };
        if is_freed {
            self.sessions.clear();
        }
    }

    /// The right to use the device, which other programs of the data folder may have.
    fn device(&self, id: JobId, control: &JobControl) -> Result<HeldLock> {
        let holder = format!("{} (process {})", self.service.who, std::process::id());
        let path = device_lock(&self.data_dir);
        let mut told = false;
        loop {
            match HeldLock::attempt(&path, &holder)? {
                Ok(lock) => return Ok(lock),
                Err(who) if !told => {
                    told = true;
                    let message = format!("Waiting for {who}, which is making a video in this data folder");
                    self.shared.tell(id, Event::Note { message });
                }
                Err(_) => {}
            }
            control.cancel.check_after(DEVICE_POLL)?;
        }
    }
}

/// How often the free memory is checked while sessions are loaded and no job runs.
const MEMORY_POLL: Duration = Duration::from_secs(2);

/// How often it is looked whether another program has given the device back.
const DEVICE_POLL: Duration = Duration::from_millis(100);

/// Carries out what the person wants of a running job.
pub(super) fn steer(control: &JobControl, wish: Option<PendingAction>) {
    match wish {
        Some(PendingAction::Cancel) => control.stop(StopReason::Cancelled),
        Some(PendingAction::Hold) => control.leave(YieldReason::Held),
        Some(PendingAction::Pause) => control.pause(true),
        None => control.pause(false),
    }
}

fn left(control: &JobControl) -> Ending {
    match control.leaving() {
        Some(YieldReason::Held) => Ending::Later(JobState::Held, "Paused; it goes on from its last step"),
        _ => Ending::Later(JobState::Waiting, "An urgent job comes first; this one goes on after it"),
    }
}

/// A stop is told by its reason, all else is a failure.
fn ended(error: Error, control: &JobControl) -> Ending {
    match (error.kind, control.stopped()) {
        (Kind::Cancelled, Some(StopReason::Closing)) => {
            Ending::Later(JobState::Waiting, "The program closes; the job goes on with the next one")
        }
        (Kind::Cancelled, Some(StopReason::TimedOut)) => Ending::Failed(
            Error::new(Kind::Timeout, "Not done within the time that was given")
                .remedy("Retry it with a longer --timeout: it goes on from its last step; or ask for less"),
        ),
        _ => Ending::Failed(error),
    }
}

/// What to change after a failure, by the form as it was then.
fn next_changes(entry: &JobEntry, retries: &[RetryRecord], error: &Error, stage: Stage) -> Option<Vec<Fix>> {
    let tried: Vec<_> = retries.iter().flat_map(|retry| retry.changes.clone()).collect();
    let JobSpec { draft, model, .. } = &entry.job.work.after(&tried);
    let fallback =
        if jobs::may_help(error.kind) { jobs::next_fallback(&entry.job.work, &tried) } else { None };
    // of a model that cannot be read no limits are known
    let Ok(model) = models::open(model) else { return fallback.map(|change| vec![change]) };
    let limits = model.limits();
    let failed = Failed {
        kind: error.kind,
        stage,
        mode: draft.mode_for(&limits).ok()?,
        size_multiple: limits.strides.size_multiple(),
    };
    // memory and devices come and go: when nothing is left to change, waiting may help
    let may_pass = matches!(error.kind, Kind::OutOfMemory | Kind::Device | Kind::Runtime);
    ladder::next(failed, draft, &tried, fallback).or_else(|| may_pass.then(|| vec![Fix::Retry]))
}

fn told(error: &Error, stage: Stage, changes: &[Fix]) -> String {
    let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
    format!("{stage} failed ({error}): {}", changes.join(", "))
}

fn bug_from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text =
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    Error::new(Kind::Bug, format!("The job broke off by a mistake in the program: {text}"))
        .remedy("Please report it; other jobs can go on")
}
