//! How a program works on the queue.

use std::time::Duration;

use super::runners::RunnerDevice;
use crate::core::{Bytes, Faults};
use crate::monitor::Monitor;
use crate::plan::RunLimits;
use crate::queue::Scope;
use crate::store::{Offload, Settings};

/// How a program works on the queue.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Name of the program for messages to others, for instance "the window".
    pub who: &'static str,
    /// Which jobs it runs.
    pub scope: Scope,
    /// The devices that get a runner; `None` for all of this machine, or the first if only one job is run.
    pub devices: Option<Vec<RunnerDevice>>,
    /// Largest number of retries of a job.
    pub max_retries: u32,
    /// Delay before the first retry; it doubles with each further one.
    pub back_off: Duration,
    /// Whether a job may run on the CPU after its card failed.
    pub may_use_cpu: bool,
    /// Threads of one operation; 0 for all cores.
    pub threads: usize,
    /// Whether ONNX Runtime profiles every job; slower.
    pub profile: bool,
    /// Whether time, memory and disk space are checked before a job runs.
    pub preflight: bool,
    /// Disk space for encoded prompts and images, which later jobs reuse.
    pub keep_encoded: Bytes,
    /// Disk space for the latents of finished jobs, which can be decoded again.
    pub keep_latents: Bytes,
    /// What the settings allow every run.
    pub limits: RunLimits,
    /// Whether ONNX Runtime is fetched if it is not on this machine.
    pub fetches_runtime: bool,
    /// Whether networks that fit stay loaded for the next job.
    pub keeps_sessions: bool,
    /// Whether a program with the scope [`Scope::Own`] adds several jobs, for which networks stay loaded, too.
    pub is_for_several: bool,
    /// Whether the settings of the data folder are read again before each job, because any program may change them.
    pub follows_settings: bool,
    /// Injected faults.
    pub faults: Faults,
    /// Measures each job for the records of the data folder; `None` records nothing.
    pub monitor: Option<Monitor>,
}

impl WorkerOptions {
    /// The defaults: 2 retries, so 3 attempts, the first retry after 2 s.
    pub fn new(who: &'static str, scope: Scope) -> Self {
        Self {
            who,
            scope,
            devices: None,
            max_retries: 2,
            back_off: Duration::from_secs(2),
            may_use_cpu: false,
            threads: 0,
            profile: false,
            preflight: true,
            keep_encoded: Bytes(1 << 30),
            keep_latents: Bytes(2 << 30),
            limits: RunLimits::default(),
            fetches_runtime: true,
            keeps_sessions: true,
            is_for_several: false,
            follows_settings: false,
            faults: Faults::default(),
            monitor: None,
        }
    }

    /// Whether the program may run more than one job.
    pub(super) fn has_several(&self) -> bool {
        self.scope == Scope::Everything || self.is_for_several
    }

    /// Applies the settings, and those that the data folder will have when a job starts.
    #[must_use]
    pub fn settled(self, settings: &Settings) -> Self {
        Self {
            max_retries: settings.generation.retries,
            back_off: settings.errors.backoff(),
            may_use_cpu: settings.errors.cpu_fallback,
            threads: settings.hardware.threads as usize,
            profile: self.profile || settings.monitor.profile,
            preflight: settings.generation.preflight,
            keep_encoded: settings.records.cache(),
            keep_latents: settings.records.latents(),
            limits: RunLimits::from(settings),
            fetches_runtime: settings.models.auto_fetch,
            keeps_sessions: settings.models.offload == Offload::Auto,
            follows_settings: true,
            ..self
        }
    }
}
