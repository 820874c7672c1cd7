//! Findings of the preflight: one sentence each, with a severity and suggested fixes.

use serde::{Deserialize, Serialize};

use super::fix::Fix;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Information only.
    Note,
    /// The job can start, but may fail or is outside what the model was trained for.
    Warning,
    /// The job cannot succeed.
    Blocker,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The model and its files.
    Model,
    /// The job's settings.
    Settings,
    /// Free disk space for the output and resume points.
    Disk,
    /// Host or device memory.
    Memory,
    /// Device, driver or ONNX Runtime.
    Hardware,
    /// Generation time.
    Time,
}

/// One finding of the preflight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Severity.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// One sentence that contains the values compared, without a full stop.
    pub message: String,
    /// Suggested fixes, the one with the least effect on the video first.
    #[serde(alias = "changes")]
    pub fixes: Vec<Fix>,
    /// What the run comes to after each of `fixes`, in their order, for instance "needs 17.0 GiB, fits"; empty if that is
    /// not estimated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
}

impl Finding {
    /// Each suggested fix as a phrase with its figures, for instance "use 17 frames: needs 12.1 GiB, fits".
    pub fn suggestions(&self) -> Vec<String> {
        let words = |fix: &Fix| match self.figures_of(fix) {
            Some(figures) => format!("{fix}: {figures}"),
            None => fix.to_string(),
        };
        self.fixes.iter().map(words).collect()
    }

    /// What the run comes to after one of the fixes, if that is estimated.
    pub fn figures_of(&self, fix: &Fix) -> Option<&str> {
        let index = self.fixes.iter().position(|other| other == fix)?;
        self.figures.get(index).map(String::as_str)
    }
}
