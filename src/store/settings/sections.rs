//! The settings by section, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::info::{SettingKind, settings_info};
use super::modes::ModeSettings;
use crate::core::{Bytes, Draft, Error, Kind, PrecisionChoice, ProviderChoice, Result};
use crate::monitor::Price;

/// Version of the settings file that this program writes.
pub(super) const VERSION: u32 = 1;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
const GIB: f64 = 1_073_741_824.0;

/// All settings. A key that is missing in a file has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Version of the file format.
    pub version: u32,
    /// Retries and preflight.
    pub generation: GenerationSettings,
    /// Precision and memory of a GPU.
    pub optimization: OptimizationSettings,
    /// Handling of failures.
    pub errors: ErrorSettings,
    /// Execution provider and threads.
    pub hardware: HardwareSettings,
    /// Folder of models, fallback models, fetching and memory.
    pub models: ModelSettings,
    /// Limits of each mode that replace those of the table of modes.
    pub modes: ModeSettings,
    /// Disk limits of saved latents and of the tensor cache.
    pub records: RecordSettings,
    /// Measurements.
    pub monitor: MonitorSettings,
}

/// Settings for generating videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationSettings {
    /// Retries after a failed first attempt; 0 to 20, default 2, which makes 3 attempts.
    pub retries: u32,
    /// Whether time, memory and disk are estimated before a run; default on.
    pub preflight: bool,
    /// Longest prompt in tokens; a longer one is refused below 512, which is all that the text encoder reads. 1 to 512,
    /// default 512.
    pub prompt_tokens: u32,
}

/// Settings that trade quality for time and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimizationSettings {
    /// Precision of a new draft where a GPU computes; fp32 and auto also count on the CPU. Default auto.
    pub precision: PrecisionChoice,
    /// Memory of a GPU that Wandeck may use in GiB, 0 for all of it; up to 1024, default 0.
    pub vram_limit_gib: f64,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// Folder of models that is scanned first; `--models-dir` overrides it. Default none.
    pub folder: Option<PathBuf>,
    /// Models to use, in this order, if a job's own model does not fit in memory or cannot be read. Default none.
    pub fallbacks: Vec<String>,
    /// Whether what a job lacks is fetched without asking; default on.
    pub auto_fetch: bool,
    /// Maximum rate of model downloads in KiB per second, all connections together; 0, the default, for no limit.
    pub download_kib_s: u64,
    /// When a network leaves memory; default auto.
    pub offload: Offload,
    /// Whether int8 and int4 copies are suggested where memory or time is short; default on.
    pub quantise: bool,
    /// Whether the window verifies a model while nothing else is to do: each once a month, and after its files changed.
    /// Default off: it reads tens of gigabytes, which wakes disks and pushes other files out of memory.
    pub verify_when_idle: bool,
    /// How long nothing may have happened before that, in seconds; default 300.
    pub idle_s: u64,
}

/// When a network leaves memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offload {
    /// When its memory is needed; what fits stays loaded for the next job.
    #[default]
    Auto,
    /// After its stage, also if it would fit.
    Always,
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
    /// Whether ONNX Runtime profiles every job, for the trace file; slower. Default off.
    pub profile: bool,
}

impl MonitorSettings {
    /// The price of energy; `None` if none is set.
    pub fn price(&self) -> Option<Price> {
        let price = Price { per_kwh: self.price_per_kwh, currency: self.currency.clone() };
        (price.per_kwh > 0.0).then_some(price)
    }
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self { rate_hz: 2, price_per_kwh: 0.0, currency: "EUR".to_owned(), profile: false }
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
            modes: ModeSettings::default(),
            records: RecordSettings::default(),
            monitor: MonitorSettings::default(),
        }
    }
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self { retries: 2, preflight: true, prompt_tokens: 512 }
    }
}

impl Default for ErrorSettings {
    fn default() -> Self {
        Self { backoff_s: 2.0, timeout_s: 0, cpu_fallback: false }
    }
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            folder: None,
            fallbacks: Vec::new(),
            auto_fetch: true,
            download_kib_s: 0,
            offload: Offload::default(),
            quantise: true,
            verify_when_idle: false,
            idle_s: 300,
        }
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

impl OptimizationSettings {
    /// Memory of a GPU that may be used; `None` for all of it.
    pub fn vram_limit(&self) -> Option<Bytes> {
        (self.vram_limit_gib > 0.0).then_some(Bytes((self.vram_limit_gib * GIB) as u64))
    }
}

impl ModelSettings {
    /// Most bytes per second that downloads take; `None` for no limit.
    pub fn download_limit(&self) -> Option<Bytes> {
        Some(Bytes(self.download_kib_s.saturating_mul(KIB))).filter(|limit| limit.0 > 0)
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
    /// `draft` with the execution provider and precision of the settings; used for new drafts and presets. A precision
    /// that the CPU does not have counts only if a GPU may compute: `has_gpu`, or a provider that needs one.
    #[must_use]
    pub fn new_form(&self, draft: Draft, has_gpu: bool) -> Draft {
        let (provider, precision) = (self.hardware.provider, self.optimization.precision);
        let may_use_gpu = match provider {
            ProviderChoice::Auto => has_gpu,
            ProviderChoice::Cpu | ProviderChoice::WebGpu | ProviderChoice::OpenVino => false,
            ProviderChoice::Cuda | ProviderChoice::TensorRt | ProviderChoice::Rtx => true,
        };
        let needs_gpu = matches!(precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp16);
        let precision = if needs_gpu && !may_use_gpu { PrecisionChoice::Auto } else { precision };
        Draft { provider, precision, ..draft }
    }

    /// Fails if a value is out of range; the error names the key.
    pub(super) fn check(&self) -> Result<()> {
        for info in settings_info() {
            let (SettingKind::Whole { least, most } | SettingKind::Number { least, most }) = info.kind else {
                continue;
            };
            let value = self.number(info.key);
            let may_lack = info.is_optional && value.is_nan();
            if !may_lack && !(least..=most).contains(&value) {
                let key = info.key;
                return Err(Error::new(
                    Kind::Input,
                    format!("{key} must be from {least} to {most}, not {value}"),
                )
                .remedy(format!("Give a value in this range: \"wandeck settings set {key} VALUE\"")));
            }
        }
        self.modes.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_precision_never_makes_the_cpu_refuse() {
        let draft = crate::core::testing::draft;
        for (provider, precision, has_gpu, expected) in [
            (ProviderChoice::Auto, PrecisionChoice::Bf16, false, PrecisionChoice::Auto),
            (ProviderChoice::Auto, PrecisionChoice::Bf16, true, PrecisionChoice::Bf16),
            (ProviderChoice::Cpu, PrecisionChoice::Fp16, true, PrecisionChoice::Auto),
            (ProviderChoice::Cuda, PrecisionChoice::Fp16, false, PrecisionChoice::Fp16),
            (ProviderChoice::Cpu, PrecisionChoice::Fp32, false, PrecisionChoice::Fp32),
        ] {
            let mut settings = Settings::default();
            (settings.hardware.provider, settings.optimization.precision) = (provider, precision);
            let form = settings.new_form(draft(), has_gpu);
            assert_eq!((form.provider, form.precision), (provider, expected), "{precision:?} {has_gpu}");
        }
    }

    #[test]
    fn a_download_limit_of_zero_is_none() {
        let mut settings = ModelSettings::default();
        assert_eq!(settings.download_limit(), None);
        settings.download_kib_s = 500;
        assert_eq!(settings.download_limit(), Some(Bytes(512_000)));
    }

    #[test]
    fn a_vram_limit_of_zero_is_none() {
        let mut settings = OptimizationSettings::default();
        assert_eq!(settings.vram_limit(), None);
        settings.vram_limit_gib = 1.5;
        assert_eq!(settings.vram_limit(), Some(Bytes(3 << 29)));
    }
}
