//! What the threads of a worker share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::live_files::LiveFiles;
use super::pending_end::PendingEnd;
use super::runners::RunnerDevice;
use crate::attempt::JobControl;
use crate::core::{CancelToken, Event, Result, Waker};
use crate::jobs::{Job, JobId, Priority};
use crate::monitor::Monitor;
use crate::queue::{Queue, Scope};

/// How long no job is started after one found the disk full.
const DISK_FULL_REST: Duration = Duration::from_mins(1);

/// A job that runs in this program.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) id: JobId,
    /// The device of the runner, see [`super::runners::Runners`].
    pub(super) ordinal: u32,
    pub(super) priority: Priority,
    pub(super) control: JobControl,
    /// When it got its device; the time before does not count for the time limit.
    pub(super) since: Option<Instant>,
    pub(super) time_limit: Option<Duration>,
}

impl Running {
    pub(super) fn new(job: &Job, ordinal: u32) -> Self {
        Self {
            id: job.id,
            ordinal,
            priority: job.spec.priority,
            control: JobControl::default(),
            since: None,
            time_limit: job.spec.timeout_s.map(Duration::from_secs),
        }
    }
}

/// What the threads of a worker share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    /// The devices that have a runner.
    pub(super) devices: Mutex<Vec<RunnerDevice>>,
    /// One job for each runner that is busy.
    pub(super) running: Mutex<Vec<Running>>,
    /// Ends that could not be saved yet.
    pub(super) pending_ends: Mutex<Vec<PendingEnd>>,
    /// When a full disk stopped the work on the queue.
    pub(super) disk_full: Mutex<Option<Instant>>,
    /// Whether this program lost a device; the jobs stay queued for the next one.
    pub(super) device_lost: AtomicBool,
    pub(super) events: Sender<(JobId, Event)>,
    pub(super) waker: Waker,
    pub(super) closing: CancelToken,
    pub(super) monitor: Option<Monitor>,
    /// Tells other programs how far the jobs of this one are.
    pub(super) live: LiveFiles,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next job for the runner of the device `ordinal`.
    pub(super) fn claim(&self, scope: Scope, ordinal: u32) -> Result<Option<Job>> {
        let devices = self.devices();
        self.queue().claim(scope, &|draft| RunnerDevice::may_take(&devices, ordinal, draft))
    }

    /// The devices that have a runner.
    pub(super) fn devices(&self) -> Vec<RunnerDevice> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job got its device: its time counts and is measured from now on.
    pub(super) fn begin(&self, job: &Job) {
        if let Some(running) = self.running().iter_mut().find(|running| running.id == job.id) {
            running.since = Some(Instant::now());
        }
        if let Some(monitor) = &self.monitor {
            monitor.begin_job(&job.uid, job.id.0);
        }
    }

    pub(super) fn pending_ends(&self) -> MutexGuard<'_, Vec<PendingEnd>> {
        self.pending_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk_full(&self) -> MutexGuard<'_, Option<Instant>> {
        self.disk_full.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the work on the queue rests: the disk was full a short time ago, or a device is lost.
    pub(super) fn rests(&self) -> bool {
        self.device_lost.load(Ordering::Acquire) || self.is_disk_full()
    }

    /// Whether the disk was full a short time ago.
    pub(super) fn is_disk_full(&self) -> bool {
        self.disk_full().is_some_and(|since| since.elapsed() < DISK_FULL_REST)
    }

    pub(super) fn send(&self, id: JobId, event: Event) {
        if let Some(monitor) = &self.monitor {
            monitor.observe(id.0, &event);
        }
        self.live.observe(id, &event);
        // the receiver is gone only when the program closes
        if self.events.send((id, event)).is_ok() {
            (self.waker)();
        }
    }
}
