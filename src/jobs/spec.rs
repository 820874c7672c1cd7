//! A job: a frozen copy of the form.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fallback::Fallback;
use crate::core::{Draft, Utc};
use crate::media::Existing;
use crate::store::Settings;

/// Tells the jobs of a data folder apart; counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which jobs come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// In the order of the queue.
    #[default]
    Normal,
    /// Before the others; a job that runs makes room after its current step.
    Urgent,
}

/// What to do and where to put it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The form as it was.
    pub draft: Draft,
    /// Folder of the model.
    pub model: PathBuf,
    /// Where the video goes.
    pub output: PathBuf,
    /// What happens if something is there already.
    #[serde(default)]
    pub existing: Existing,
    /// Where the final latent goes, if anywhere.
    #[serde(default)]
    pub latents_out: Option<PathBuf>,
    /// Whether somebody watches it being made.
    #[serde(default)]
    pub preview: bool,
    /// Seconds after which it is stopped; none runs without end.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// Which jobs come first.
    #[serde(default)]
    pub priority: Priority,
    /// Models that may take it over, in the order in which they are tried.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// The job whose latents are taken if they are the same that this one would make (its `uid`).
    #[serde(default)]
    pub latents_of: Option<String>,
}

impl JobSpec {
    /// Work of ordinary priority on a form.
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

    /// Likewise, as a person has set it. Fallbacks that are not there any more are left out.
    #[must_use]
    pub fn settled(self, settings: &Settings, data_dir: &Path, models_dir: Option<&Path>) -> Self {
        let fallbacks = settings.models.fallbacks.iter();
        Self {
            timeout_s: settings.errors.timeout().map(|timeout| timeout.as_secs()),
            fallbacks: fallbacks.filter_map(|id| Fallback::find(id, data_dir, models_dir).ok()).collect(),
            ..self
        }
    }
}

/// Work that the queue has taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Tells it from every other job anywhere.
    pub uid: String,
    /// When it was asked for.
    pub created: Utc,
    /// What to do.
    pub work: JobSpec,
}
