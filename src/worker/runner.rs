//! A runner: the thread that owns ONNX Runtime and every session of a device, and runs one job after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::dispatcher::apply;
use super::held_device::HeldDevices;
use super::options::WorkerOptions;
use super::pending_end::EndRecord;
use super::shared::{Running, Shared};
use crate::attempt::{JobControl, StopReason, YieldReason, abandon, complete};
use crate::core::{Error, Event, Fix, Kind, Outcome, Secs, Utc};
use crate::engine::Runtime;
use crate::jobs::{Job, JobId, JobSpec, JobState, PendingAction, RunRecorder};
use crate::library::PerformanceStore;
use crate::pipeline::SessionCache;
use crate::plan::drop_sessions_if_short;
use crate::queue::Scope;
use crate::store::{Settings, StoredTensors};

/// How often the free memory is checked while sessions are loaded and no job runs.
const MEMORY_POLL: Duration = Duration::from_secs(2);

/// What is said when a draft is done.
const DRAFT_DONE: &str = "The draft is done; resume the job to finish its video";

/// The state of a runner thread.
pub(super) struct Runner {
    pub(super) data_dir: PathBuf,
    pub(super) options: WorkerOptions,
    /// CUDA ordinal of its device.
    pub(super) ordinal: u32,
    /// The devices of the current job, once they are known.
    pub(super) held: HeldDevices,
    pub(super) shared: Arc<Shared>,
    pub(super) cache: StoredTensors,
    /// Sessions that stay loaded between jobs; dropped before the runtime.
    pub(super) sessions: SessionCache,
    pub(super) runtime: Option<Runtime>,
    /// The events of the current attempt.
    pub(super) recorder: RunRecorder,
}

/// How the work on a job ended this time.
pub(super) enum JobEnd {
    Done(Box<Outcome>),
    Failed(Error),
    /// The job resumes later, from this state and for this reason.
    Later(JobState, &'static str),
    /// The draft is done, and the job is paused.
    Draft,
}

impl Runner {
    pub(super) fn new(data_dir: PathBuf, options: WorkerOptions, ordinal: u32, shared: Arc<Shared>) -> Self {
        Self {
            cache: StoredTensors::with_disk_limit(&data_dir, options.keep_encoded),
            data_dir,
            sessions: sessions(&options),
            options,
            ordinal,
            held: HeldDevices::default(),
            shared,
            runtime: None,
            recorder: RunRecorder::default(),
        }
    }

    /// Runs jobs whenever it is woken, until the program closes.
    pub(super) fn run(&mut self, wake: &Receiver<()>) {
        while self.is_woken(wake) {
            while !self.shared.closing.is_cancelled() && !self.shared.rests() {
                let claimed = self.shared.claim(self.options.scope, self.ordinal);
                match claimed {
                    Ok(Some(job)) => self.run_job(job),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!("Cannot take a job from the queue: {error:#}");
                        break;
                    }
                }
            }
        }
        if let Some(runtime) = &self.runtime {
            runtime.wait_for_cancelled_sessions();
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

    /// Runs a job until it ends or resumes later.
    fn run_job(&mut self, job: Job) {
        let id = job.id;
        let running = Running::new(&job, self.ordinal);
        let control = running.control.clone();
        self.shared.running().push(running);
        if self.shared.closing.is_cancelled() {
            control.stop(StopReason::Closing);
        }
        apply(&control, job.pending_action);
        let started = Utc::now();
        self.shared.queue().note_place(id, "");
        let end = self.work_on(&job, &control);
        self.held.release();
        self.save_end(job, started, end);
        self.shared.running().retain(|running| running.id != id);
        self.keep_measurements(id);
    }

    /// Saves what was measured while the job ran. No job waits for it, and no video depends on it.
    fn keep_measurements(&self, id: JobId) {
        let timeline = self.shared.monitor.as_ref().and_then(|monitor| monitor.end_job(id.0));
        // a job that failed before its first stage has nothing to show
        let Some(timeline) = timeline.filter(|timeline| !timeline.track.stages.is_empty()) else { return };
        let store = PerformanceStore::new(&self.data_dir);
        if !timeline.track.profiles.is_empty()
            && let Err(error) = store.save_trace(&timeline)
        {
            tracing::warn!("{error:#}");
        }
        if let Err(error) = store.add(timeline) {
            tracing::warn!("{error:#}");
        }
    }

    /// Takes in what any program changed in the settings since the last job.
    fn follow_settings(&mut self) {
        if !self.options.follows_settings {
            return;
        }
        let keeps_sessions = self.options.keeps_sessions;
        // an invalid file is reported by whoever shows the settings; until then, what was read last counts
        if let Ok((settings, _)) = Settings::read(&self.data_dir) {
            self.options = self.options.clone().settled(&settings);
        }
        if keeps_sessions != self.options.keeps_sessions {
            self.sessions = sessions(&self.options);
        }
    }

    fn work_on(&mut self, job: &Job, control: &JobControl) -> JobEnd {
        let id = job.id;
        self.follow_settings();
        // the job may be stopped before its first attempt
        self.recorder = RunRecorder::default();
        let shared = Arc::clone(&self.shared);
        if job.partial_output.hidden.is_some() {
            match complete(&job.spec, &job.partial_output, &mut |event| shared.send(id, event)) {
                Ok(Some(outcome)) => return JobEnd::Done(Box::new(outcome)),
                Ok(None) => {}
                Err(error) => tracing::warn!("Job {id} writes its video again after a crash: {error:#}"),
            }
        }
        if let Some(error) = job.interruptions.set_aside() {
            abandon(&job.partial_output);
            return JobEnd::Failed(error);
        }
        self.attempt_until_end(job, control)
    }

    /// Saves how a job ended, then sends its last event.
    fn save_end(&self, job: Job, started: Utc, end: JobEnd) {
        let id = job.id;
        // the queue also knows the retries
        let job = self.shared.queue().get(id).map_or(job, Clone::clone);
        let entry = |result| Box::new(self.recorder.history_entry(&job, Some(started), result));
        let (record, event) = match end {
            JobEnd::Done(outcome) => {
                let record = EndRecord::Ended(entry(Ok(&outcome)), Some(self.options.keep_latents));
                (record, Event::Finished { outcome })
            }
            // the jobs behind it would fail in the same way
            JobEnd::Failed(error) if error.is_disk_full() && self.options.scope == Scope::Everything => {
                *self.shared.disk_full() = Some(Instant::now());
                let message = format!("The disk is full, so the queue rests: {error:#}");
                (EndRecord::Later(JobState::Queued), Event::Interrupted { message })
            }
            JobEnd::Failed(error)
                if error.kind == Kind::DeviceLost && self.options.scope == Scope::Everything =>
            {
                self.shared.device_lost.store(true, Ordering::Release);
                (EndRecord::Later(JobState::Queued), Event::Interrupted { message: format!("{error:#}") })
            }
            JobEnd::Failed(error) => {
                let record = EndRecord::Ended(entry(Err(&error)), None);
                let is_cancelled = error.kind == Kind::Cancelled;
                (record, if is_cancelled { Event::Cancelled } else { Event::Failed { error } })
            }
            JobEnd::Draft => (EndRecord::Draft, Event::Interrupted { message: DRAFT_DONE.to_owned() }),
            JobEnd::Later(state, why) => {
                // the user paused the job, whatever else made it yield
                let is_paused = matches!(job.pending_action, Some(PendingAction::Pause { .. }));
                let state = if is_paused { JobState::Paused } else { state };
                (EndRecord::Later(state), Event::Interrupted { message: why.to_owned() })
            }
        };
        self.shared.end(id, record, event);
    }
}

/// The sessions of a runner: they stay loaded where another job follows.
fn sessions(options: &WorkerOptions) -> SessionCache {
    // a program that runs only one job ends with it
    if options.keeps_sessions && options.has_several() {
        SessionCache::between_jobs()
    } else {
        SessionCache::for_one_job()
    }
}

/// The end of a job that yielded after a step.
pub(super) fn yielded(control: &JobControl) -> JobEnd {
    match control.leaving() {
        Some(YieldReason::Paused) => {
            JobEnd::Later(JobState::Paused, "Paused; the job will resume from its last step")
        }
        Some(YieldReason::QueuePaused) => {
            JobEnd::Later(JobState::Queued, "The queue is paused; the job resumes with it")
        }
        Some(YieldReason::DraftDone) => JobEnd::Draft,
        _ => JobEnd::Later(JobState::Queued, "An urgent job runs first; this job resumes after it"),
    }
}

/// The end of a job after an error. A job that was stopped ends for the reason of the stop.
pub(super) fn stopped_or_failed(error: Error, spec: &JobSpec, control: &JobControl) -> JobEnd {
    match (error.kind, control.stopped()) {
        (Kind::Cancelled, Some(StopReason::Closing)) => {
            JobEnd::Later(JobState::Queued, "The program is closing; the job resumes with the next one")
        }
        (Kind::Cancelled, Some(StopReason::TimedOut)) => JobEnd::Failed(timed_out(spec)),
        _ => JobEnd::Failed(error),
    }
}

fn timed_out(spec: &JobSpec) -> Error {
    let limit = spec.time_limit().map(|limit| format!(" of {limit}")).unwrap_or_default();
    let longer = spec.time_limit().map(|Secs(limit)| Fix::TimeLimit(Some(Secs(2.0 * limit))));
    let fixes: Vec<_> = std::iter::once(Fix::TimeLimit(None)).chain(longer).collect();
    Error::new(Kind::Timeout, format!("Stopped at the job's time limit{limit}"))
        .remedy(
            "Retry it without a time limit (\"queue retry JOB --timeout 0\"): it resumes from its last step",
        )
        .with_fixes(fixes)
}
