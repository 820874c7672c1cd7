//! The documents that `--json` prints about jobs: a public form of its own, apart from what is stored.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::history_entry::{EndStatus, FailureRecord, HistoryEntry};
use super::job::{Job, JobId};
use super::spec::Priority;
use super::status::JobStatus;
use crate::core::{
    Check, DOCUMENT_VERSION, Draft, Error, Finding, Mode, Secs, StageTime, StepCacheRecord, Utc,
};

/// All jobs of the queue in the order in which they run.
#[derive(Clone, Debug, Serialize)]
pub struct QueueDocument<'a> {
    /// See [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Whether the whole queue is paused.
    pub paused: bool,
    /// The jobs.
    pub jobs: Vec<JobDocument<'a>>,
}

impl<'a> QueueDocument<'a> {
    /// The document of `jobs`, each with its status.
    pub fn new(paused: bool, jobs: impl IntoIterator<Item = (&'a Job, JobStatus)>) -> Self {
        let jobs = jobs.into_iter().map(|(job, status)| JobDocument::new(job, status)).collect();
        Self { version: DOCUMENT_VERSION, paused, jobs }
    }
}

/// One job of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct JobDocument<'a> {
    /// Its number in the queue.
    pub id: u64,
    /// Identifies it among all jobs anywhere; also the id of its history entry.
    pub uid: &'a str,
    /// Its state as one word.
    pub status: JobStatus,
    /// Which jobs run first.
    pub priority: Priority,
    /// When it was added, in seconds since 1970.
    pub created: Utc,
    /// Its settings.
    pub draft: &'a Draft,
    /// Folder of its model.
    pub model_folder: &'a Path,
    /// Path of its video. A job that is done has the name that the video got.
    pub output: &'a Path,
    /// Time limit in seconds.
    pub timeout_s: Option<u64>,
    /// Ids of the models to try if the first cannot be used.
    pub fallbacks: Vec<&'a str>,
    /// What failed and which fixes were applied, a sentence for each retry.
    pub retry_messages: Vec<&'a str>,
    /// Why it failed.
    pub error: Option<&'a FailureRecord>,
    /// When it ended, in seconds since 1970.
    pub ended: Option<Utc>,
}

impl<'a> JobDocument<'a> {
    /// The document of `job`.
    pub fn new(job: &'a Job, status: JobStatus) -> Self {
        let entry = job.ended();
        let made = entry.and_then(|entry| entry.output.as_deref());
        Self {
            id: job.id.0,
            uid: &job.uid,
            status,
            priority: job.spec.priority,
            created: job.created,
            draft: &job.spec.draft,
            model_folder: &job.spec.model,
            output: made.unwrap_or(&job.spec.output),
            timeout_s: job.spec.timeout_s,
            fallbacks: job.spec.fallbacks.iter().map(|fallback| fallback.model.as_str()).collect(),
            retry_messages: job.retries.iter().map(|retry| retry.message.as_str()).collect(),
            error: entry.and_then(|entry| entry.error.as_ref()),
            ended: entry.map(|entry| entry.ended),
        }
    }
}

/// How a command or its job ended.
#[derive(Clone, Debug, Serialize)]
pub struct EndDocument<'a> {
    /// How it ended.
    pub status: EndStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a Error>,
}

/// The document of a command that succeeded.
#[derive(Clone, Debug, Serialize)]
pub struct DoneDocument<T> {
    /// How it ended.
    pub status: EndStatus,
    /// What it did.
    #[serde(flatten)]
    pub body: T,
}

/// What a command for the queue did.
#[derive(Clone, Debug, Serialize)]
pub struct QueueReplyDocument {
    /// The job that was added or changed.
    pub job: Option<JobId>,
    /// What was done, one sentence.
    pub message: String,
}

/// What a program did that ran the jobs of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueRunDocument {
    /// Number of finished jobs.
    pub finished: u32,
    /// Number of failed jobs.
    pub failed: u32,
    /// Number of paused jobs that are left.
    pub paused: usize,
    /// Whether the whole queue is paused.
    pub queue_paused: bool,
}

/// One entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryEntryDocument<'a> {
    /// See [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Identifies the job among all jobs anywhere.
    pub id: &'a str,
    /// Number of the job in the queue; 0 if the entry was rebuilt from a video.
    pub job: u64,
    /// How the job ended, as one word.
    pub status: JobStatus,
    /// When it was added, in seconds since 1970.
    pub created: Utc,
    /// When it started, in seconds since 1970.
    pub started: Option<Utc>,
    /// When it ended, in seconds since 1970.
    pub ended: Utc,
    /// Prompt.
    pub prompt: &'a str,
    /// Mode.
    pub mode: Option<Mode>,
    /// Model id.
    pub model: &'a str,
    /// Fingerprint of the model.
    pub model_fingerprint: Option<&'a str>,
    /// The whole request.
    pub request: RequestField<'a>,
    /// The video.
    pub output: Option<&'a PathBuf>,
    /// Why it failed.
    pub error: Option<&'a FailureRecord>,
    /// Time from the start of validation to the checked file, in seconds.
    pub generation_time_s: Option<Secs>,
    /// Duration of each finished stage in seconds.
    pub stages: &'a [StageTime],
    /// Duration of each denoising step in seconds.
    pub steps: &'a [Secs],
    /// What the step cache saved; left out if it was off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_cache: Option<&'a StepCacheRecord>,
    /// Peak resident memory of the process in MiB.
    pub peak_rss_mb: Option<f64>,
    /// Peak device memory in MiB.
    pub peak_vram_mb: Option<f64>,
    /// Execution provider.
    pub provider: Option<&'a str>,
    /// Precision of the transformers.
    pub precision: Option<&'a str>,
    /// Number of retries.
    pub retries: u32,
    /// What failed and which fixes were applied, a sentence for each retry.
    pub retry_messages: &'a [String],
    /// Optimisations that were in use.
    pub optimizations: &'a [String],
    /// Deviations from the request and other warnings.
    pub warnings: &'a [String],
    /// Findings of the preflight.
    pub findings: &'a [Finding],
    /// Checks of the finished file.
    pub checks: &'a [Check],
    /// Estimated generation time in seconds.
    pub estimated_s: Option<Secs>,
    /// Estimated peak memory in MiB.
    pub estimated_peak_mb: Option<f64>,
    /// Relative error of the estimated time: 0.5 means 50 % too high.
    pub time_error: Option<f64>,
    /// Relative error of the estimated memory: 0.5 means 50 % too high.
    pub memory_error: Option<f64>,
}

/// A request: with the current names if this version can read it, otherwise as it was stored.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RequestField<'a> {
    /// With the current names.
    Draft(Box<Draft>),
    /// As it was stored.
    Stored(&'a Value),
}

impl<'a> HistoryEntryDocument<'a> {
    /// The document of `entry`.
    pub fn new(entry: &'a HistoryEntry) -> Self {
        let draft = entry.draft().map(|draft| RequestField::Draft(Box::new(draft)));
        Self {
            version: DOCUMENT_VERSION,
            id: &entry.id,
            job: entry.job,
            status: entry.status.into(),
            created: entry.created,
            started: entry.started,
            ended: entry.ended,
            prompt: &entry.prompt,
            mode: entry.mode,
            model: &entry.model,
            model_fingerprint: entry.model_fingerprint.as_deref(),
            request: draft.unwrap_or(RequestField::Stored(&entry.request)),
            output: entry.output.as_ref(),
            error: entry.error.as_ref(),
            generation_time_s: entry.generation_time_s,
            stages: &entry.stages,
            steps: &entry.steps,
            step_cache: entry.step_cache.as_ref(),
            peak_rss_mb: entry.peak_rss_mb,
            peak_vram_mb: entry.peak_vram_mb,
            provider: entry.provider.as_deref(),
            precision: entry.precision.as_deref(),
            retries: entry.retries,
            retry_messages: &entry.retry_messages,
            optimizations: &entry.optimizations,
            warnings: &entry.warnings,
            findings: &entry.findings,
            checks: &entry.checks,
            estimated_s: entry.estimated_s,
            estimated_peak_mb: entry.estimated_peak_mb,
            time_error: entry.time_error(),
            memory_error: entry.memory_error(),
        }
    }
}
