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
    Rule { setting: "hardware.threads", words: &[&["threads"]] },
    Rule { setting: "hardware.provider", words: &[&["provider", "device", "backend"]] },
    Rule { setting: "optimization.precision", words: &[&["precision", "dtype", "quantization"]] },
    Rule {
        setting: "models.folder",
        words: &[&["model", "models"], &["folder", "dir", "directory", "path", "root"]],
    },
];

impl Settings {
    /// Imports the known settings from `text`, a JSON object with or without sections. Fails if `text` is not a JSON
    /// object or a value is out of range; then nothing is imported.
    pub fn import(&mut self, text: &str) -> Result<Imported> {
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
            let Some(rule) = RULES.iter().find(|rule| rule.fits(&words)) else {
                done.left.push((key, "Wandeck has no such setting".to_owned()));
                continue;
            };
            let Some(text) = converted(rule.setting, value, &words) else {
                done.left.push((key, format!("{} cannot be {value}", rule.setting)));
                continue;
            };
            self.set(rule.setting, &text)
                .map_err(|error| error.remedy(format!("Correct {key} in the file")))?;
            done.taken.push((key, rule.setting.to_owned(), text));
        }
        Ok(())
    }
}

impl Rule {
    fn fits(&self, words: &[String]) -> bool {
        self.words.iter().all(|group| words.iter().any(|word| group.contains(&word.as_str())))
    }
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

/// The value as text for [`Settings::set`]; `None` if it has the wrong type.
fn converted(setting: &str, value: &Value, words: &[String]) -> Option<String> {
    let has = |word: &[&str]| words.iter().any(|own| word.contains(&own.as_str()));
    match value {
        Value::Number(number) if setting.ends_with("_s") => {
            let unit = if has(&["ms", "millis", "milliseconds"]) {
                0.001
            } else if has(&["minutes", "min", "mins"]) {
                60.0
            } else if has(&["hours", "hour"]) {
                3600.0
            } else {
                1.0
            };
            let seconds = number.as_f64()? * unit;
            Some(if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { seconds.to_string() })
        }
        // a device may be a number in the other file; here it is a word
        Value::Number(number) if matches!(setting, "generation.retries" | "hardware.threads") => {
            Some(number.to_string())
        }
        Value::Bool(on) if setting == "generation.preflight" => Some(on.to_string()),
        Value::String(word) if setting == "models.folder" => Some(word.clone()),
        Value::String(word) => known_word(setting, word),
        _ => None,
    }
}

/// Wandeck's word for a choice; `None` if the word is unknown.
fn known_word(setting: &str, word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let known = match (setting, word.as_str()) {
        ("hardware.provider", "gpu" | "nvidia" | "cuda:0") => "cuda",
        ("optimization.precision", "bfloat16") => "bf16",
        ("optimization.precision", "float16" | "half") => "fp16",
        ("optimization.precision", "float32" | "full" | "float") => "fp32",
        ("hardware.provider", "tensorrt" | "cuda" | "cpu" | "auto")
        | ("optimization.precision", "bf16" | "fp16" | "fp32" | "int8" | "int4" | "auto") => &word,
        _ => return None,
    };
    Some(known.to_owned())
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
        assert_eq!((settings.hardware.provider, settings.hardware.threads), (ProviderChoice::Cuda, 4));
        assert_eq!(settings.models.folder.as_deref(), Some(std::path::Path::new("/data/models")));
        let left: Vec<_> = done.left.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            left,
            ["generation.max_prompt_length", "models.auto_download", "modes", "optimization.max_vram_gb"]
        );
        assert_eq!(done.taken.len(), 8);
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
