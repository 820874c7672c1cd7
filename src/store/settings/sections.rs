//! The settings by section, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::{Bytes, Draft, Error, Kind, PrecisionChoice, ProviderChoice, Result};

/// Version of the settings file that this program writes.
pub(super) const VERSION: u32 = 1;
/// Largest number of retries.
const MOST_RETRIES: u32 = 20;
/// Longest time before a retry: one hour.
const MOST_BACKOFF_S: f64 = 3600.0;
/// Largest number of threads.
const MOST_THREADS: u32 = 1024;
/// Most samples in a second.
const MOST_SAMPLES: f64 = 4.0;
/// Highest price of a kilowatt-hour, in any currency.
const MOST_PRICE: f64 = 100_000.0;
const MIB: u64 = 1 << 20;
/// Largest disk limit: 1 PiB.
const MOST_MIB: u64 = 1 << 30;

/// All settings. A key that is missing in a file has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Version of the file format.
    pub version: u32,
    /// Retries and preflight.
    pub generation: GenerationSettings,
    /// Precision.
    pub optimization: OptimizationSettings,
    /// Handling of failures.
    pub errors: ErrorSettings,
    /// Execution provider and threads.
    pub hardware: HardwareSettings,
    /// Folder of models and fallback models.
    pub models: ModelSettings,
    /// Disk limits of saved latents and of the tensor cache.
    pub records: RecordSettings,
    /// Measurements.
    pub monitor: MonitorSettings,
}

/// Settings for generating videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationSettings {
    /// Retries after a failed first attempt; 0 to 20, default 3.
    pub retries: u32,
    /// Whether time, memory and disk are estimated before a run; default on.
    pub preflight: bool,
}

/// Settings that trade quality for time and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimizationSettings {
    /// Precision of a new draft; default auto.
    pub precision: PrecisionChoice,
}

/// Settings for failed and slow jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorSettings {
    /// Seconds before the second attempt; 0 to 3600, default 2.
    pub backoff_s: f64,
    /// Time limit of a job in seconds, 0 for none; default 0. Only the time that it runs counts.
    pub timeout_s: u64,
    /// Whether a job may run on the CPU after its card failed, which takes far longer; default off.
    pub cpu_fallback: bool,
}

/// Settings for the hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HardwareSettings {
    /// Execution provider of a new draft; default auto.
    pub provider: ProviderChoice,
    /// CPU threads of one operation, 0 for all cores; up to 1024, default 0.
    pub threads: u32,
}

/// Settings for models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// Folder of models that is scanned first; `--models-dir` overrides it. Default none.
    pub folder: Option<PathBuf>,
    /// Models to use, in this order, if a job's own model does not fit in memory or cannot be read. Default none.
    pub fallbacks: Vec<String>,
}

/// Settings for the data that is kept between jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordSettings {
    /// Disk limit for the latents of ended jobs in MiB; default 2048.
    pub latents_mib: u64,
    /// Disk limit for encoded prompts and images in MiB; default 1024.
    pub cache_mib: u64,
}

/// Settings for measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MonitorSettings {
    /// Samples per second while the monitor is seen; 1 to 4, default 2.
    pub rate_hz: u32,
    /// Price of a kilowatt-hour in `currency`, 0 for none; up to 100000, default 0.
    pub price_per_kwh: f64,
    /// Currency of the price; default EUR.
    pub currency: String,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self { rate_hz: 2, price_per_kwh: 0.0, currency: "EUR".to_owned() }
    }
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
            monitor: MonitorSettings::default(),
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
        Self { backoff_s: 2.0, timeout_s: 0, cpu_fallback: false }
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

    /// Time limit of a job; `None` for no limit.
    pub fn timeout(&self) -> Option<Duration> {
        (self.timeout_s > 0).then(|| Duration::from_secs(self.timeout_s))
    }
}

impl RecordSettings {
    /// Disk limit for the latents of ended jobs.
    pub fn latents(&self) -> Bytes {
        Bytes(self.latents_mib.saturating_mul(MIB))
    }

    /// Disk limit for encoded prompts and images.
    pub fn cache(&self) -> Bytes {
        Bytes(self.cache_mib.saturating_mul(MIB))
    }
}

impl Settings {
    /// `draft` with the execution provider and precision of the settings; used for new drafts and presets.
    #[must_use]
    pub fn new_form(&self, draft: Draft) -> Draft {
        Draft { provider: self.hardware.provider, precision: self.optimization.precision, ..draft }
    }

    /// Fails if a value is out of range; the error names the key.
    pub(super) fn check(&self) -> Result<()> {
        let Self { generation, errors, hardware, records, monitor, .. } = self;
        let bounds = [
            ("generation.retries", f64::from(generation.retries), f64::from(MOST_RETRIES)),
            ("errors.backoff_s", errors.backoff_s, MOST_BACKOFF_S),
            ("hardware.threads", f64::from(hardware.threads), f64::from(MOST_THREADS)),
            ("records.latents_mib", records.latents_mib as f64, MOST_MIB as f64),
            ("records.cache_mib", records.cache_mib as f64, MOST_MIB as f64),
            ("monitor.rate_hz", f64::from(monitor.rate_hz), MOST_SAMPLES),
            ("monitor.price_per_kwh", monitor.price_per_kwh, MOST_PRICE),
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
