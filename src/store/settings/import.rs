//! Import of settings from another program's JSON configuration, by the words in its keys.
//!
//! Such files differ in how they write a key (`max_retries`, `retryAttempts`, `retry_count`), so a key is recognised
//! by its words, in any section. Keys without a matching setting are listed and skipped.

use serde_json::{Map, Value};

use super::sections::Settings;
use crate::core::{Error, Kind, Result};

/// Result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Imported values: key in the other file, setting here, and new value.
    pub taken: Vec<(String, String, String)>,
    /// Skipped keys, each with the reason.
    pub left: Vec<(String, String)>,
}

/// A setting, and the words by which a key for it is recognised: the key must contain one word of each group.
struct Rule {
    setting: &'static str,
    words: &'static [&'static [&'static str]],
}

/// Rules in order; the first that matches a key is used.
const RULES: &[Rule] = &[
    Rule {
        setting: "errors.backoff_s",
        words: &[&["retry", "retries", "backoff"], &["delay", "backoff", "wait", "interval"]],
    },
    Rule { setting: "errors.timeout_s", words: &[&["timeout"]] },
    Rule { setting: "generation.preflight", words: &[&["preflight"]] },
    Rule { setting: "generation.retries", words: &[&["retry", "retries"]] },
    Rule { setting: "generation.prompt_tokens", words: &[&["prompt"], &["length", "tokens"]] },
    Rule { setting: "optimization.vram_limit_gib", words: &[&["vram"], &["limit", "max", "usage", "gb"]] },
    Rule { setting: "models.auto_fetch", words: &[&["download", "fetch"]] },
    Rule { setting: "models.offload", words: &[&["offload", "offloading"]] },
    Rule { setting: "models.quantise", words: &[&["quantization", "quantisation"], &["enabled", "enable"]] },
    Rule { setting: "hardware.threads", words: &[&["threads"]] },
    Rule { setting: "hardware.provider", words: &[&["provider", "device", "backend"]] },
    Rule { setting: "optimization.precision", words: &[&["precision", "dtype", "quantization"]] },
    Rule {
        setting: "models.folder",
        words: &[&["model", "models"], &["folder", "dir", "directory", "path", "root"]],
    },
];

/// Limits of a mode, in the section named after it.
const MODE_RULES: &[Rule] = &[
    Rule { setting: "min_steps", words: &[&["min", "least"], &["steps"]] },
    Rule { setting: "max_steps", words: &[&["max", "most"], &["steps"]] },
    Rule { setting: "default_steps", words: &[&["default"], &["steps"]] },
    Rule { setting: "resolutions", words: &[&["resolutions", "sizes"]] },
    Rule { setting: "max_strength", words: &[&["max"], &["strength"]] },
];

/// Why a key has no setting here: one of these words in the key or its section.
const REASONS: &[(&[&str], &str)] = &[
    (&["mock", "real", "mode"], "Wandeck always runs the real models and never a mock"),
    (
        &["optimize", "optimization", "optimizations"],
        "Wandeck always chooses what fits this machine, shows it, and records it with the video",
    ),
    (&["detect"], "Wandeck always looks at the hardware before a job"),
    (&["vram"], "Wandeck always plans GPU memory; optimization.vram_limit_gib limits it"),
    (
        &["websocket", "progress", "monitoring"],
        "Progress and measurements are always on; there is no web server to set up",
    ),
];

/// What becomes of a value.
enum Conversion {
    Set(String),
    Skip(String),
}

impl Settings {
    /// Imports the known settings from `text`, a JSON object with or without sections. Fails if `text` is not a JSON
    /// object or a value is out of range; then nothing is imported.
    pub fn import(&mut self, text: &str) -> Result<Imported> {
        let text = text.trim_start_matches('\u{feff}');
        let whole: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Error::new(Kind::Input, "The file is not a configuration: expected a JSON object").because(error)
        })?;
        let mut next = self.clone();
        let mut done = Imported::default();
        next.take(&whole, "", &mut done)?;
        *self = next;
        Ok(done)
    }

    fn take(&mut self, values: &Map<String, Value>, section: &str, done: &mut Imported) -> Result<()> {
        for (name, value) in values {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            if let Value::Object(inner) = value {
                self.take(inner, &key, done)?;
                continue;
            }
            let words = words(name);
            let Some(setting) = setting_for(section, &words) else {
                done.left.push((key, reason(section, &words)));
                continue;
            };
            let text = match converted(&setting, value, &words) {
                Conversion::Set(text) => text,
                Conversion::Skip(why) => {
                    done.left.push((key, why));
                    continue;
                }
            };
            self.set(&setting, &text).map_err(|error| error.remedy(format!("Correct {key} in the file")))?;
            done.taken.push((key, setting, text));
        }
        Ok(())
    }
}

impl Rule {
    fn fits(&self, words: &[String]) -> bool {
        self.words.iter().all(|group| words.iter().any(|word| group.contains(&word.as_str())))
    }
}

/// The setting for a key with these words in `section`.
fn setting_for(section: &str, words: &[String]) -> Option<String> {
    let mode = section.rsplit('.').next().filter(|mode| ["t2v", "i2v", "ti2v"].contains(mode));
    if let Some(mode) = mode {
        let rule = MODE_RULES.iter().find(|rule| rule.fits(words))?;
        return Some(format!("modes.{mode}.{}", rule.setting));
    }
    RULES.iter().find(|rule| rule.fits(words)).map(|rule| rule.setting.to_owned())
}

/// Why a key with these words in `section` has no setting.
fn reason(section: &str, own: &[String]) -> String {
    let all: Vec<_> = own.iter().cloned().chain(words(section)).collect();
    let by = |words: &[String]| {
        REASONS.iter().find(|(known, _)| words.iter().any(|word| known.contains(&word.as_str())))
    };
    // the key's own words say more than those of its section
    by(own).or_else(|| by(&all)).map_or("Wandeck has no such setting", |(_, why)| why).to_owned()
}

/// Splits a key into lower-case words: `maxRetryCount` and `max-retry_count` give max, retry, count.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in key.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if let Some(word) = words.last_mut()
            && letter.is_alphanumeric()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The value as text for [`Settings::set`], or why it is not taken.
fn converted(setting: &str, value: &Value, words: &[String]) -> Conversion {
    let has = |word: &[&str]| words.iter().any(|own| word.contains(&own.as_str()));
    let wrong = || Conversion::Skip(format!("{setting} cannot be {value}"));
    match (setting, value) {
        ("optimization.vram_limit_gib", Value::Null) => Conversion::Set("0".to_owned()),
        ("optimization.vram_limit_gib", Value::Number(number)) => {
            let unit = if has(&["mb", "mib"]) { 1.0 / 1024.0 } else { 1.0 };
            number.as_f64().map_or_else(wrong, |size| Conversion::Set((size * unit).to_string()))
        }
        (_, Value::Number(number)) if setting.ends_with("_s") => {
            let unit = if has(&["ms", "millis", "milliseconds"]) {
                0.001
            } else if has(&["minutes", "min", "mins"]) {
                60.0
            } else if has(&["hours", "hour"]) {
                3600.0
            } else {
                1.0
            };
            let Some(seconds) = number.as_f64().map(|number| number * unit) else { return wrong() };
            Conversion::Set(if seconds.fract() == 0.0 {
                format!("{seconds:.0}")
            } else {
                seconds.to_string()
            })
        }
        ("generation.prompt_tokens", Value::Number(number)) if number.as_f64() > Some(512.0) => {
            Conversion::Skip("The text encoder reads 512 tokens at most".to_owned())
        }
        // a device may be a number in the other file; here it is a word
        ("generation.retries" | "generation.prompt_tokens" | "hardware.threads", Value::Number(number)) => {
            Conversion::Set(number.to_string())
        }
        (_, Value::Number(number)) if setting.starts_with("modes.") => Conversion::Set(number.to_string()),
        ("models.offload", Value::Bool(true)) => Conversion::Set("auto".to_owned()),
        ("models.offload", Value::Bool(false)) => {
            Conversion::Skip("A network always leaves memory when another needs it".to_owned())
        }
        ("generation.preflight" | "models.auto_fetch" | "models.quantise", Value::Bool(on)) => {
            Conversion::Set(on.to_string())
        }
        (_, Value::Array(items)) if setting.ends_with(".resolutions") => {
            Conversion::Set(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        ("models.folder", Value::String(word)) => Conversion::Set(word.clone()),
        ("hardware.provider" | "optimization.precision", Value::String(word)) => known_word(setting, word),
        _ => wrong(),
    }
}

/// Wandeck's word for a choice. A choice that would refuse jobs on another machine is not taken.
fn known_word(setting: &str, word: &str) -> Conversion {
    let word = word.to_lowercase();
    let known = match (setting, word.as_str()) {
        // uses the GPU where there is one
        ("hardware.provider", "gpu" | "nvidia" | "cuda" | "cuda:0") => "auto",
        ("optimization.precision", "bfloat16") => "bf16",
        ("optimization.precision", "float16" | "half") => "fp16",
        ("optimization.precision", "float32" | "full" | "float") => "fp32",
        ("optimization.precision", "int8" | "int4") => {
            return Conversion::Skip(format!(
                "{word} needs a converted model: \"wandeck models convert MODEL --precision {word}\" makes one"
            ));
        }
        ("hardware.provider", "cpu" | "auto")
        | ("optimization.precision", "bf16" | "fp16" | "fp32" | "auto") => &word,
        _ => return Conversion::Skip(format!("{setting} cannot be \"{word}\"")),
    };
    Conversion::Set(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PrecisionChoice, ProviderChoice};

    #[test]
    fn known_settings_are_imported_and_the_rest_is_listed() {
        let text = r#"{
            "generation": {"max_retry_attempts": 5, "enable_preflight_checks": false, "max_prompt_length": 512},
            "optimization": {"default_precision": "bfloat16", "max_vram_gb": 12},
            "errorHandling": {"retryDelaySeconds": 1.5, "timeout_minutes": 20},
            "hardware": {"device": "gpu", "cpu_threads": 4},
            "models": {"models_directory": "/data/models", "auto_download": true},
            "modes": ["t2v"]
        }"#;
        let mut settings = Settings::default();
        let done = settings.import(text).unwrap();
        assert_eq!((settings.generation.retries, settings.generation.preflight), (5, false));
        assert_eq!((settings.errors.backoff_s, settings.errors.timeout_s), (1.5, 1200));
        assert_eq!(settings.optimization.precision, PrecisionChoice::Bf16);
        // auto uses the GPU where there is one, and refuses no job where there is none
        assert_eq!((settings.hardware.provider, settings.hardware.threads), (ProviderChoice::Auto, 4));
        assert_eq!((settings.generation.prompt_tokens, settings.models.auto_fetch), (512, true));
        assert_eq!(settings.optimization.vram_limit_gib, 12.0);
        assert_eq!(settings.models.folder.as_deref(), Some(std::path::Path::new("/data/models")));
        let left: Vec<_> = done.left.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(left, ["modes"]);
        assert_eq!(done.taken.len(), 11);
    }

    #[test]
    fn the_source_documents_are_imported_and_every_key_is_answered() {
        let read = |name: &str| {
            std::fs::read_to_string(format!("{}/tests/settings/source/{name}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
        };
        let mut settings = Settings::default();
        let mut answered = Vec::new();
        for (name, num_taken) in [("pipeline.json", 8), ("modes.json", 12), ("enhanced.json", 4)] {
            let done = settings.import(&read(name)).unwrap();
            assert_eq!(done.taken.len(), num_taken, "{name}: {done:?}");
            assert!(
                done.left.iter().all(|(_, why)| why != "Wandeck has no such setting"),
                "{name}: {done:?}"
            );
            answered.extend(done.left.into_iter().map(|(key, _)| key));
        }
        assert_eq!(answered.len(), 11, "{answered:?}");
        assert_eq!((settings.generation.retries, settings.errors.timeout_s), (3, 1800));
        assert_eq!(settings.optimization.precision, PrecisionChoice::Bf16);
        // "null" in the last file means no limit
        assert_eq!(settings.optimization.vram_limit(), None);
        let t2v = &settings.modes.t2v;
        assert_eq!((t2v.min_steps, t2v.max_steps, t2v.default_steps), (Some(30), Some(100), Some(50)));
        assert_eq!(settings.modes.ti2v.resolutions, ["480p", "720p"]);
        assert_eq!(settings.modes.i2v.max_strength, Some(0.8));
        let form = settings.new_form(crate::core::testing::draft(), false);
        assert_eq!(form.precision, PrecisionChoice::Auto, "a machine without a GPU is not asked for bf16");
    }

    #[test]
    fn a_file_with_an_invalid_value_changes_nothing() {
        let mut settings = Settings::default();
        for text in [r#"{"timeout": 60, "max_retries": 1000}"#, "[1]", "no JSON"] {
            settings.import(text).unwrap_err();
            assert_eq!(settings, Settings::default(), "{text}");
        }
        let done = settings.import(r#"{"precision": "int3", "retries": "many", "device_id": 0}"#).unwrap();
        assert_eq!((done.taken.len(), done.left.len()), (0, 3), "{done:?}");
    }

    #[test]
    fn keys_are_split_into_words() {
        assert_eq!(words("maxRetryCount"), ["max", "retry", "count"]);
        assert_eq!(words("max-retry_count"), words("maxRetryCount"));
    }
}
