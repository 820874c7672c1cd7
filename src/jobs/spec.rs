//! What a job was asked to do: a frozen copy of the form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fallback::Fallback;
use crate::core::{Draft, Secs};
use crate::media::Existing;

/// Which jobs run first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Runs when no other job is queued.
    Low,
    /// Runs in the order of the queue.
    #[default]
    Normal,
    /// Runs before all others; a running job yields after its current step.
    Urgent,
}

/// Everything a job needs to know: the form, the model and the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The form when the job was added.
    pub draft: Draft,
    /// Folder of the model.
    pub model: PathBuf,
    /// Path of the video.
    pub output: PathBuf,
    /// What to do if the output exists already.
    #[serde(default)]
    pub existing: Existing,
    /// Path for the final latents, if they are wanted.
    #[serde(default)]
    pub latents_out: Option<PathBuf>,
    /// Whether previews are made while it runs.
    #[serde(default)]
    pub preview: bool,
    /// Time limit in seconds.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// Which jobs run first.
    #[serde(default)]
    pub priority: Priority,
    /// Models to try if the first cannot be used, in this order.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// The `uid` of a job whose latents are reused if this job would make the same ones.
    #[serde(default)]
    pub latents_of: Option<String>,
}

impl JobSpec {
    /// A job of normal priority that takes the next free output name.
    pub fn new(draft: Draft, model: PathBuf, output: PathBuf) -> Self {
        Self {
            draft,
            model,
            output,
            existing: Existing::NextFree,
            latents_out: None,
            preview: false,
            timeout_s: None,
            priority: Priority::Normal,
            fallbacks: Vec::new(),
            latents_of: None,
        }
    }

    /// The time that it may run; none for no limit.
    pub fn time_limit(&self) -> Option<Secs> {
        self.timeout_s.map(|seconds| Secs(seconds as f64))
    }
}
