//! The settings, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Draft, Error, Kind, PrecisionChoice, ProviderChoice, Result};

/// The form of the file that this program writes.
pub(super) const VERSION: u32 = 1;
/// Attempts that make no sense beyond.
const MOST_RETRIES: u32 = 20;
/// An hour between attempts is as good as never.
const MOST_BACKOFF_S: f64 = 3600.0;
/// More than any machine has.
const MOST_THREADS: u32 = 1024;
const MIB: u64 = 1 << 20;
/// Mebibytes that still are a number of bytes.
const MOST_MIB: u64 = 1 << 30;

/// Everything that can be set. A key that a file does not name has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Version of the file's form.
    pub version: u32,
    /// Making videos.
    pub generation: GenerationSettings,
    /// Time and memory.
    pub optimization: OptimizationSettings,
    /// What happens when something goes wrong.
    pub errors: ErrorSettings,
    /// The machine.
    pub hardware: HardwareSettings,
    /// Models.
    pub models: ModelSettings,
    /// What is kept.
    pub records: RecordSettings,
}

/// Making videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationSettings {
    /// Attempts after a first one that failed; 0 to 20, default 3.
    pub retries: u32,
    /// Whether time, memory and disk are estimated before a run; default on.
    pub preflight: bool,
}

/// Time and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimizationSettings {
    /// Number format of a new form; default auto.
    pub precision: PrecisionChoice,
}

/// What happens when something goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorSettings {
    /// Seconds before the second attempt; 0 to 3600, default 2.
    pub backoff_s: f64,
    /// Time limit of a job in seconds; default 0, no limit.
    pub timeout_s: u64,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HardwareSettings {
    /// Where the graphs of a new form run; default auto.
    pub provider: ProviderChoice,
    /// Threads of one operation, 0 for all cores; up to 1024, default 0.
    pub threads: u32,
}

/// Models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// Folder with models, looked at first; `--models-dir` wins. Default none.
    pub folder: Option<PathBuf>,
    /// Models that may take a job over where its own does not fit or cannot be read, in this order. Default none.
    pub fallbacks: Vec<String>,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordSettings {
    /// Disk for latents of ended jobs, MiB; default 2048.
    pub latents_mib: u64,
    /// Disk for texts and pictures that were encoded, MiB; default 1024.
    pub cache_mib: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            generation: GenerationSettings::default(),
            optimization: OptimizationSettings::default(),
            errors: ErrorSettings::default(),
            hardware: HardwareSettings::default(),
            models: ModelSettings::default(),
            records: RecordSettings::default(),
        }
    }
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self { retries: 3, preflight: true }
    }
}

impl Default for ErrorSettings {
    fn default() -> Self {
        Self { backoff_s: 2.0, timeout_s: 0 }
    }
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { latents_mib: 2048, cache_mib: 1024 }
    }
}

impl ErrorSettings {
    /// Time before the second attempt.
    pub fn backoff(&self) -> Duration {
        Duration::try_from_secs_f64(self.backoff_s).unwrap_or_default()
    }

    /// Time after which a job is stopped; none for never.
    pub fn timeout(&self) -> Option<Duration> {
        (self.timeout_s > 0).then(|| Duration::from_secs(self.timeout_s))
    }
}

impl RecordSettings {
    /// Disk for latents of ended jobs.
    pub fn latents(&self) -> Bytes {
        Bytes(self.latents_mib.saturating_mul(MIB))
    }

    /// Disk for texts and pictures that were encoded.
    pub fn cache(&self) -> Bytes {
        Bytes(self.cache_mib.saturating_mul(MIB))
    }
}

impl Settings {
    /// A form that was not there before, a preset's for instance, with what a person set for all of them.
    #[must_use]
    pub fn new_form(&self, draft: Draft) -> Draft {
        Draft { provider: self.hardware.provider, precision: self.optimization.precision, ..draft }
    }

    /// Refuses values that make no sense; the error names the key.
    pub(super) fn check(&self) -> Result<()> {
        let Self { generation, errors, hardware, records, .. } = self;
        let bounds = [
            ("generation.retries", f64::from(generation.retries), f64::from(MOST_RETRIES)),
            ("errors.backoff_s", errors.backoff_s, MOST_BACKOFF_S),
            ("hardware.threads", f64::from(hardware.threads), f64::from(MOST_THREADS)),
            ("records.latents_mib", records.latents_mib as f64, MOST_MIB as f64),
            ("records.cache_mib", records.cache_mib as f64, MOST_MIB as f64),
        ];
        for (key, value, most) in bounds {
            if !(0.0..=most).contains(&value) {
                return Err(Error::new(Kind::Input, format!("{key} must be from 0 to {most}, not {value}"))
                    .remedy(format!("Set it with \"wandeck settings set {key} VALUE\" or in the file")));
            }
        }
        Ok(())
    }
}
