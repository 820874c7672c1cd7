//! What each setting is for: its title, unit, range and words, for the window, the command line and the checks.

/// What a setting can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingKind {
    /// On or off.
    Switch,
    /// A whole number in a range.
    Whole {
        /// Smallest value.
        least: f64,
        /// Largest value.
        most: f64,
    },
    /// A number in a range.
    Number {
        /// Smallest value.
        least: f64,
        /// Largest value.
        most: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A folder, or none.
    Folder,
    /// A text.
    Text,
    /// Several words.
    Words,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SettingInfo {
    /// Its key, for instance `generation.retries`.
    pub key: &'static str,
    /// Its name on screen.
    pub title: &'static str,
    /// What it does, and from when on.
    pub description: &'static str,
    /// Unit of its number; empty for none.
    pub unit: &'static str,
    /// What it can be.
    pub kind: SettingKind,
    /// Whether it may have no value.
    pub is_optional: bool,
}

const fn info(
    key: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    kind: SettingKind,
) -> SettingInfo {
    SettingInfo { key, title, description, unit, kind, is_optional: false }
}

const fn optional(
    key: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    kind: SettingKind,
) -> SettingInfo {
    SettingInfo { key, title, description, unit, kind, is_optional: true }
}

const fn whole(least: f64, most: f64) -> SettingKind {
    SettingKind::Whole { least, most }
}

/// Longest idle time: a day in seconds.
const DAY: f64 = 86_400.0;
/// Largest disk limit: 1 PiB.
const MOST_MIB: f64 = 1_073_741_824.0;
const STEPS: SettingKind = whole(1.0, 1000.0);
const STRENGTH: SettingKind = SettingKind::Number { least: 0.0, most: 4.0 };
const MIN_STEPS: &str =
    "A new job with fewer steps is refused; settings of distilled models keep their own range";
const MAX_STEPS: &str = "A new job with more steps is refused";
const DEFAULT_STEPS: &str = "Steps of a new form for an official model in this mode";
const SIZES: &str =
    "Sizes that are allowed, for instance 480p, 720p; larger ones are refused. None for all of the table";
const MAX_STRENGTH: &str = "A LoRA with a larger strength gives a note";

const SETTINGS: [SettingInfo; 39] = [
    info(
        "generation.retries",
        "Retries",
        "Further attempts after a failure that a retry may fix. Counts from the next job",
        "",
        whole(0.0, 20.0),
    ),
    info(
        "generation.preflight",
        "Preflight",
        "Estimate time, memory and disk space before a run, and refuse what cannot fit",
        "",
        SettingKind::Switch,
    ),
    info(
        "generation.prompt_tokens",
        "Longest prompt",
        "A longer prompt is refused before the run. The text encoder reads 512 tokens at most",
        "tokens",
        whole(1.0, 512.0),
    ),
    info(
        "optimization.precision",
        "Precision of a new form",
        "bf16 and fp16 count where a GPU computes; the CPU then uses auto. int8 and int4 need a converted model",
        "",
        SettingKind::Choice(&["auto", "fp32", "bf16", "fp16", "int8", "int4"]),
    ),
    info(
        "optimization.vram_limit_gib",
        "GPU memory limit",
        "Plan as if the GPU had no more memory than this; 0 for all of it. Counts from the next job",
        "GiB",
        SettingKind::Number { least: 0.0, most: 1024.0 },
    ),
    info(
        "errors.backoff_s",
        "Wait before a retry",
        "Time before the second attempt; it doubles with each further one",
        "s",
        SettingKind::Number { least: 0.0, most: 3600.0 },
    ),
    info(
        "errors.timeout_s",
        "Time limit of a new job",
        "A job that runs longer is stopped and can be resumed; 0 for no limit",
        "s",
        whole(0.0, 31_536_000.0),
    ),
    info(
        "errors.cpu_fallback",
        "Go on on the CPU",
        "Whether a job may run on the CPU after its GPU failed, which takes far longer",
        "",
        SettingKind::Switch,
    ),
    info(
        "hardware.provider",
        "Execution provider of a new form",
        "auto uses CUDA where it works, else the CPU",
        "",
        SettingKind::Choice(&["auto", "cpu", "cuda", "tensorrt", "rtx", "webgpu", "openvino"]),
    ),
    info(
        "hardware.threads",
        "CPU threads",
        "Threads of one operation; 0 for all cores. Counts from the next session that is loaded",
        "threads",
        whole(0.0, 1024.0),
    ),
    optional(
        "models.folder",
        "Models folder",
        "Searched for models first. Nothing is moved or copied; models that lie elsewhere stay in the list",
        "",
        SettingKind::Folder,
    ),
    info(
        "models.fallbacks",
        "Fallback models",
        "Used in this order if a job's own model does not fit in memory or cannot be read",
        "",
        SettingKind::Words,
    ),
    info(
        "models.auto_fetch",
        "Fetch what is missing",
        "Fetch ONNX Runtime, and a model that the command line names, when they are not on this machine; off stops with an error that says how",
        "",
        SettingKind::Switch,
    ),
    info(
        "models.download_kib_s",
        "Download limit",
        "Maximum rate of model downloads, all connections together; 0 for no limit. Applies from the next download",
        "KiB/s",
        whole(0.0, MOST_MIB),
    ),
    info(
        "models.offload",
        "Free networks",
        "auto keeps networks loaded while their memory is not needed; always frees each after its stage",
        "",
        SettingKind::Choice(&["auto", "always"]),
    ),
    info(
        "models.quantise",
        "Suggest int8 and int4",
        "Suggest quantised copies of a model where memory or time is short",
        "",
        SettingKind::Switch,
    ),
    info(
        "models.verify_when_idle",
        "Verify models when idle",
        "Read every byte of a model while the window has nothing else to do, each once a month and after its files changed; off because that reads tens of gigabytes",
        "",
        SettingKind::Switch,
    ),
    info(
        "models.idle_s",
        "Idle time before verifying",
        "How long nothing may have happened before a model is verified",
        "s",
        whole(1.0, DAY),
    ),
    optional("modes.t2v.min_steps", "Text to video: fewest steps", MIN_STEPS, "steps", STEPS),
    optional("modes.t2v.max_steps", "Text to video: most steps", MAX_STEPS, "steps", STEPS),
    optional("modes.t2v.default_steps", "Text to video: steps of a new form", DEFAULT_STEPS, "steps", STEPS),
    info("modes.t2v.resolutions", "Text to video: sizes", SIZES, "", SettingKind::Words),
    optional("modes.t2v.max_strength", "Text to video: LoRA strength advised", MAX_STRENGTH, "", STRENGTH),
    optional("modes.i2v.min_steps", "Image to video: fewest steps", MIN_STEPS, "steps", STEPS),
    optional("modes.i2v.max_steps", "Image to video: most steps", MAX_STEPS, "steps", STEPS),
    optional("modes.i2v.default_steps", "Image to video: steps of a new form", DEFAULT_STEPS, "steps", STEPS),
    info("modes.i2v.resolutions", "Image to video: sizes", SIZES, "", SettingKind::Words),
    optional("modes.i2v.max_strength", "Image to video: LoRA strength advised", MAX_STRENGTH, "", STRENGTH),
    optional("modes.ti2v.min_steps", "Text and image to video: fewest steps", MIN_STEPS, "steps", STEPS),
    optional("modes.ti2v.max_steps", "Text and image to video: most steps", MAX_STEPS, "steps", STEPS),
    optional(
        "modes.ti2v.default_steps",
        "Text and image to video: steps of a new form",
        DEFAULT_STEPS,
        "steps",
        STEPS,
    ),
    info("modes.ti2v.resolutions", "Text and image to video: sizes", SIZES, "", SettingKind::Words),
    optional(
        "modes.ti2v.max_strength",
        "Text and image to video: LoRA strength advised",
        MAX_STRENGTH,
        "",
        STRENGTH,
    ),
    info(
        "records.latents_mib",
        "Space for latents",
        "Latents of ended jobs are kept to decode them again; the oldest go first",
        "MiB",
        whole(0.0, MOST_MIB),
    ),
    info(
        "records.cache_mib",
        "Space for encoded prompts and images",
        "Later jobs with the same prompt or image start faster; the oldest go first",
        "MiB",
        whole(0.0, MOST_MIB),
    ),
    info(
        "monitor.rate_hz",
        "Samples a second",
        "How often the monitor measures while it is shown",
        "Hz",
        whole(1.0, 4.0),
    ),
    info(
        "monitor.profile",
        "Profile every job",
        "Record ONNX Runtime's own profile for the trace file; slower",
        "",
        SettingKind::Switch,
    ),
    info("monitor.currency", "Currency", "Of the price of a kilowatt-hour", "", SettingKind::Text),
    info(
        "monitor.price_per_kwh",
        "Price of a kilowatt-hour",
        "Shown as the cost of a video; 0 shows none",
        "",
        SettingKind::Number { least: 0.0, most: 100_000.0 },
    ),
];

/// Every setting, in the order in which they are shown.
pub fn settings_info() -> &'static [SettingInfo] {
    &SETTINGS
}

/// What the setting `key` is for.
pub fn setting_info(key: &str) -> Option<&'static SettingInfo> {
    SETTINGS.iter().find(|info| info.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Settings;
    use super::*;

    #[test]
    fn every_setting_of_the_file_is_described() {
        let entries = Settings::default().entries();
        let in_file: BTreeSet<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let described: BTreeSet<_> = SETTINGS.iter().map(|info| info.key).collect();
        assert_eq!(in_file, described);
        assert_eq!(described.len(), SETTINGS.len());
    }
}
