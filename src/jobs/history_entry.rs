//! The record of an ended job: request, result and cost. The history stores these.

use std::error::Error as _;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::group::JobGroup;
use crate::core::{
    Category, Check, Draft, Error, Finding, Fix, Kind, Mode, Recovery, Secs, StageTime, StepCacheRecord, Utc,
};

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// The video is finished.
    #[default]
    Done,
    /// The job failed.
    Failed,
    /// The user cancelled it.
    Cancelled,
}

impl fmt::Display for EndStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// An error as it is stored: what happened, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// Category for statistics and `--json`.
    pub category: Category,
    /// Kind of error.
    pub kind: Kind,
    /// What happened and why, one sentence.
    pub message: String,
    /// What to do now.
    #[serde(default)]
    pub remedy: Option<String>,
    /// Possible next steps, the most useful first.
    pub recovery: Vec<Recovery>,
    /// Suggested fixes, the most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
    /// What can be done, a sentence each: the fixes first, then the other steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
}

/// What can be done after an error, in sentences.
fn suggestions(error: &Error) -> Vec<String> {
    let fixes = error.fixes().iter().map(|fix| {
        let label = fix.label();
        match fix {
            Fix::Convert { .. } => fix.to_string(),
            _ => label,
        }
    });
    let remedy = error.remedy_text().filter(|_| error.fixes().is_empty()).map(str::to_owned);
    let steps = error.kind.recovery().iter().map(|recovery| recovery.sentence().to_owned());
    fixes.chain(remedy).chain(steps).collect()
}

impl From<&Error> for FailureRecord {
    fn from(error: &Error) -> Self {
        let message = match error.source() {
            // the cause may come from a library and end with a full stop
            Some(cause) => format!("{error}: {}", cause.to_string().trim_end_matches('.')),
            None => error.to_string(),
        };
        Self {
            category: error.kind.category(),
            kind: error.kind,
            message,
            remedy: error.remedy_text().map(str::to_owned),
            recovery: error.kind.recovery().to_vec(),
            fixes: error.fixes().to_vec(),
            suggestions: suggestions(error),
        }
    }
}

/// The record of an ended job.
///
/// Unknown values are `None` or empty: a failed job has no fingerprint, and an entry rebuilt from a video has no
/// times but that of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// Identifies the job; recording the same id again replaces the entry. See [`HistoryEntry::new_id`].
    pub id: String,
    /// Number of the job in the queue; 0 if the entry was rebuilt from a video.
    pub job: u64,
    /// How it ended.
    pub status: EndStatus,
    /// When it was added.
    pub created: Utc,
    /// When it started; `None` if it was cancelled before.
    pub started: Option<Utc>,
    /// When it ended.
    pub ended: Utc,
    /// Prompt.
    pub prompt: String,
    /// The mode that ran, or was asked for if none ran.
    pub mode: Option<Mode>,
    /// Model id.
    pub model: String,
    /// Fingerprint of the model, see `wan::Checkpoint::fingerprint`; known of finished videos.
    pub model_fingerprint: Option<String>,
    /// The whole request as JSON, so that one of another version is kept, too. See [`HistoryEntry::draft`].
    pub request: Value,
    /// The video file.
    pub output: Option<PathBuf>,
    /// Why it failed.
    pub error: Option<FailureRecord>,
    /// Time from the start of validation to the checked file.
    pub generation_time_s: Option<Secs>,
    /// Duration of each finished stage, in order.
    pub stages: Vec<StageTime>,
    /// Duration of each denoising step, in order.
    pub steps: Vec<Secs>,
    /// What the step cache saved; `None` if it was off.
    pub step_cache: Option<StepCacheRecord>,
    /// Peak resident memory of the process in MiB.
    pub peak_rss_mb: Option<f64>,
    /// Peak device memory in MiB; `None` on the CPU.
    pub peak_vram_mb: Option<f64>,
    /// Execution provider that ran the graphs.
    pub provider: Option<String>,
    /// Precision of the transformers.
    pub precision: Option<String>,
    /// Attempts after the first.
    pub retries: u32,
    /// What failed before and which fixes were applied then, a sentence for each retry.
    #[serde(alias = "story")]
    pub retry_messages: Vec<String>,
    /// Optimisations that were in use.
    pub optimizations: Vec<String>,
    /// Deviations from the request and other warnings.
    pub warnings: Vec<String>,
    /// Findings of the preflight.
    pub findings: Vec<Finding>,
    /// Checks of the finished file.
    pub checks: Vec<Check>,
    /// Estimated generation time.
    pub estimated_s: Option<Secs>,
    /// Estimated peak memory in MiB, of the device or, on the CPU, of the process.
    pub estimated_peak_mb: Option<f64>,
    /// The group that the job belonged to, such as a sweep.
    pub group: Option<JobGroup>,
}

impl HistoryEntry {
    /// A new id that is unique among all jobs and programs.
    pub fn new_id() -> String {
        // the hasher's keys are random per thread and differ for each call
        let random = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
        format!("{:x}-{random:016x}", Utc::now().0)
    }

    /// The request as a draft, if this version can read it.
    pub fn draft(&self) -> Option<Draft> {
        Draft::deserialize(&self.request).ok()
    }

    /// Peak memory in MiB, of the device or, on the CPU, of the process.
    pub fn peak_mb(&self) -> Option<f64> {
        self.peak_vram_mb.or(self.peak_rss_mb)
    }

    /// Relative error of the estimated time: 0.5 means that the estimate was 50 % too high.
    pub fn time_error(&self) -> Option<f64> {
        relative_error(self.estimated_s?.0, self.generation_time_s?.0)
    }

    /// Relative error of the estimated memory: 0.5 means that the estimate was 50 % too high.
    pub fn memory_error(&self) -> Option<f64> {
        relative_error(self.estimated_peak_mb?, self.peak_mb()?)
    }
}

fn relative_error(estimated: f64, measured: f64) -> Option<f64> {
    (measured > 0.0).then(|| estimated / measured - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| HistoryEntry::new_id()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn an_error_keeps_its_cause_and_remedy() {
        let error = Error::new(Kind::Io, "Cannot write a.mp4")
            .because(std::io::Error::other("the disk is full."))
            .remedy("Free some space");
        let fault = FailureRecord::from(&error);
        assert_eq!(fault.message, "Cannot write a.mp4: the disk is full");
        assert_eq!(
            (fault.category, fault.remedy.as_deref()),
            (Category::FileSystem, Some("Free some space"))
        );
        assert_eq!(fault.recovery, [Recovery::PickFolder]);
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<FailureRecord>(&json).unwrap(), fault);
    }

    #[test]
    fn estimates_are_held_against_what_was_measured() {
        let task = HistoryEntry {
            estimated_s: Some(Secs(15.0)),
            generation_time_s: Some(Secs(10.0)),
            estimated_peak_mb: Some(900.0),
            peak_rss_mb: Some(1000.0),
            ..HistoryEntry::default()
        };
        assert_eq!(task.time_error(), Some(0.5));
        assert!((task.memory_error().unwrap() + 0.1).abs() < 1e-12);
        assert_eq!(HistoryEntry::default().time_error(), None);
    }
}
