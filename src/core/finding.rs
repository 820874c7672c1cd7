//! What is known about a run before it begins: one sentence, how much it matters, and what would mend it.

use serde::{Deserialize, Serialize};

use super::fix::Fix;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// The run can begin and may end badly, or is not what the model was made for.
    Warning,
    /// The run cannot succeed.
    Blocker,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The model and its files.
    Model,
    /// The form's settings.
    Settings,
    /// Room for what is written.
    Disk,
    /// Memory of the machine or of the device.
    Memory,
    /// Device, driver, runtime.
    Hardware,
    /// How long it takes.
    Time,
}

/// One thing that the look before a run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// One sentence with the values in it.
    pub message: String,
    /// What would mend it, the one that costs the picture least first.
    pub changes: Vec<Fix>,
}
