//! One ended job as a record: what was asked, what came of it, what it cost. The history keeps these.

use std::error::Error as _;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Category, Draft, Error, Finding, Fix, Kind, Mode, Recovery, Secs, StageTime, Utc};

/// How a job ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// The video is there.
    #[default]
    Done,
    /// It could not be made.
    Failed,
    /// The person stopped it.
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

/// An error as it is kept: what happened, and what could be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// What history and `--json` speak of.
    pub category: Category,
    /// What kind of thing went wrong.
    pub kind: Kind,
    /// What happened and why, one sentence.
    pub message: String,
    /// What to do now, if it was said.
    #[serde(default)]
    pub remedy: Option<String>,
    /// What a person can do, most useful first.
    pub recovery: Vec<Recovery>,
    /// Changes of the form that may help, most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

impl From<&Error> for FailureRecord {
    fn from(error: &Error) -> Self {
        let message = match error.source() {
            // a cause of foreign make may bring its own full stop
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
        }
    }
}

/// One ended job.
///
/// What is not known is `None` or empty: a job that failed has no fingerprint, and one that was found again from
/// its video has no times but that of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// Tells it from every other, see [`HistoryEntry::new_id`]; the same one again replaces the record.
    pub id: String,
    /// The job's number; 0 if it was found again from its video.
    pub job: u64,
    /// How it ended.
    pub status: EndStatus,
    /// When it was asked for.
    pub created: Utc,
    /// When the work began; none if it was cancelled before.
    pub started: Option<Utc>,
    /// When it ended.
    pub ended: Utc,
    /// What should be seen.
    pub prompt: String,
    /// The mode that ran, or was asked for.
    pub mode: Option<Mode>,
    /// The model's id.
    pub model: String,
    /// See `wan::Checkpoint::fingerprint`; known of videos that were made.
    pub model_fingerprint: Option<String>,
    /// The whole form, see [`HistoryEntry::draft`]. As JSON, because a form of another version must be kept, too.
    pub request: Value,
    /// The video.
    pub output: Option<PathBuf>,
    /// Why it failed.
    pub error: Option<FailureRecord>,
    /// From the start of validation to the checked file.
    pub generation_time_s: Option<Secs>,
    /// Seconds of each finished stage, in order.
    pub stages: Vec<StageTime>,
    /// Seconds of each denoising step, in order.
    pub steps: Vec<Secs>,
    /// Largest resident memory of the process, MiB.
    pub peak_rss_mb: Option<f64>,
    /// Largest device memory, MiB; none on the CPU.
    pub peak_vram_mb: Option<f64>,
    /// Execution provider that ran the graphs.
    pub provider: Option<String>,
    /// Number format the graphs computed in.
    pub precision: Option<String>,
    /// Attempts after the first.
    pub retries: u32,
    /// What failed before and what was changed then, a sentence for each attempt.
    pub story: Vec<String>,
    /// What was switched on to save time or memory.
    pub optimizations: Vec<String>,
    /// What was done differently than asked, or deserves a look.
    pub warnings: Vec<String>,
    /// What the look before the run found.
    pub findings: Vec<Finding>,
    /// How long it was thought to take.
    pub estimated_s: Option<Secs>,
    /// How much memory it was thought to need, MiB: of the device, on the CPU of the process.
    pub estimated_peak_mb: Option<f64>,
}

impl HistoryEntry {
    /// An id that no other job has, in this process or another, now or after a restart.
    pub fn new_id() -> String {
        // the hasher's keys are random per thread and differ for each call
        let chance = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
        format!("{:x}-{chance:016x}", Utc::now().0)
    }

    /// The form, if this version can still read it.
    pub fn draft(&self) -> Option<Draft> {
        Draft::deserialize(&self.request).ok()
    }

    /// The memory that counts, MiB: of the device, on the CPU of the process.
    pub fn peak_mb(&self) -> Option<f64> {
        self.peak_vram_mb.or(self.peak_rss_mb)
    }

    /// How far the expected time was off, as a part of the measured one: 0.5 is half as long again.
    pub fn time_error(&self) -> Option<f64> {
        off(self.estimated_s?.0, self.generation_time_s?.0)
    }

    /// How far the expected memory was off, as a part of the measured one.
    pub fn memory_error(&self) -> Option<f64> {
        off(self.estimated_peak_mb?, self.peak_mb()?)
    }
}

fn off(expected: f64, measured: f64) -> Option<f64> {
    (measured > 0.0).then(|| expected / measured - 1.0)
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
