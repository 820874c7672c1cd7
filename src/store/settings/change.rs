//! Access to one setting by its key, for instance `generation.retries`.

use serde_json::Value;

use super::info::{SettingKind, setting_info};
use super::sections::{Settings, VERSION};
use crate::core::{Error, Kind, Result};

/// The word for a setting without a value.
const NONE: &str = "none";

impl Settings {
    /// Every key with its value as text, sorted by key.
    pub fn entries(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (section, values) in object(serde_json::to_value(self).unwrap_or_default()) {
            // the version is not in a section and is not a setting
            collect(&section, values, &mut found);
        }
        found
    }

    /// The value of `key` as text; none if there is no such setting.
    pub fn entry(&self, key: &str) -> Option<String> {
        self.entries().into_iter().find(|(known, _)| known == key).map(|(_, text)| text)
    }

    /// The keys whose values differ from `other`, each with its value here and there.
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let pairs = self.entries().into_iter().zip(other.entries());
        pairs
            .filter(|((_, own), (_, its))| own != its)
            .map(|((key, own), (_, its))| (key, own, its))
            .collect()
    }

    /// The number of a numeric setting; NaN if it has no value.
    pub(super) fn number(&self, key: &str) -> f64 {
        self.entry(key).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Sets `key` to `value`: a word or number as in the file, words separated by commas, or `none` for no value. On an
    /// error nothing changes.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if self.version > VERSION {
            return Err(Error::new(
                Kind::Unsupported,
                format!("Cannot change the settings: the file has version {}, and this program writes version {VERSION}", self.version),
            )
            .remedy("Edit the file, or use the newer Wandeck that wrote it"));
        }
        let mut whole = serde_json::to_value(&*self).unwrap_or_default();
        let info = setting_info(key);
        let Some((info, slot)) = info.zip(whole.pointer_mut(&format!("/{}", key.replace('.', "/")))) else {
            let known: Vec<_> = self.entries().into_iter().map(|(key, _)| key).collect();
            return Err(Error::new(Kind::Input, format!("There is no setting \"{key}\""))
                .remedy(format!("Available settings: {}", known.join(", "))));
        };
        *slot = match info.kind {
            _ if value == NONE && info.is_optional => Value::Null,
            SettingKind::Words => words(value),
            // a path that looks like a number is still a path
            SettingKind::Folder | SettingKind::Choice(_) | SettingKind::Text => {
                Value::String(value.to_owned())
            }
            SettingKind::Switch | SettingKind::Whole { .. } | SettingKind::Number { .. } => {
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))
            }
        };
        let changed: Self = serde_json::from_value(whole).map_err(|error| {
            let wrong = Error::new(Kind::Input, format!("{key} cannot be \"{value}\""));
            match info.kind {
                SettingKind::Switch => wrong.remedy("Write true or false"),
                SettingKind::Whole { least, most } => {
                    wrong.remedy(format!("Write a whole number from {least} to {most}"))
                }
                SettingKind::Number { least, most } => {
                    wrong.remedy(format!("Write a number from {least} to {most}"))
                }
                _ => wrong.because(error),
            }
        })?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Sets `key` to its default.
    pub fn reset(&mut self, key: &str) -> Result<()> {
        let default = Self::default().entry(key).unwrap_or_default();
        self.set(key, &default)
    }
}

/// Appends the keys below `prefix` with their values.
fn collect(prefix: &str, value: Value, found: &mut Vec<(String, String)>) {
    for (name, value) in object(value) {
        let key = format!("{prefix}.{name}");
        let text = match value {
            Value::Object(_) => {
                collect(&key, value, found);
                continue;
            }
            Value::Null => NONE.to_owned(),
            Value::String(text) => text,
            Value::Array(items) if items.is_empty() => NONE.to_owned(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        found.push((key, text));
    }
}

/// Words separated by commas, or a JSON list of them.
fn words(text: &str) -> Value {
    if text.trim_start().starts_with('[')
        && let Ok(list) = serde_json::from_str(text)
    {
        return list;
    }
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != NONE);
    words.map(|word| Value::String(word.to_owned())).collect()
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ProviderChoice;

    #[test]
    fn every_key_can_be_set_to_its_current_value() {
        let mut settings = Settings::default();
        let entries = settings.entries();
        assert_eq!(entries.len(), 39, "{entries:?}");
        for (key, value) in &entries {
            settings.set(key, value).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn values_are_words_numbers_and_none() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("generation.retries", "0"),
            ("generation.preflight", "false"),
            ("errors.backoff_s", "3"),
            ("hardware.provider", "cpu"),
            ("models.folder", "17"),
            ("models.fallbacks", "a, b"),
            ("models.offload", "always"),
            ("modes.t2v.min_steps", "30"),
        ] {
            settings.set(key, value).unwrap();
        }
        assert_eq!((settings.generation.retries, settings.generation.preflight), (0, false));
        assert_eq!((settings.errors.backoff_s, settings.hardware.provider), (3.0, ProviderChoice::Cpu));
        assert_eq!(settings.models.folder, Some("17".into()));
        assert_eq!((settings.models.fallbacks.len(), settings.modes.t2v.min_steps), (2, Some(30)));
        assert_eq!(settings.entry("models.fallbacks").as_deref(), Some("a, b"));
        for key in ["models.folder", "models.fallbacks", "modes.t2v.min_steps"] {
            settings.set(key, "none").unwrap();
        }
        assert_eq!((settings.models.folder.clone(), settings.modes.t2v.min_steps), (None, None));
        let changed: Vec<_> = settings.differences(&Settings::default());
        assert!(changed.contains(&("generation.retries".into(), "0".into(), "2".into())), "{changed:?}");
        settings.reset("generation.retries").unwrap();
        assert_eq!(settings.generation.retries, 2);
    }

    #[test]
    fn an_invalid_value_is_an_error_and_changes_nothing() {
        let mut settings = Settings::default();
        for (key, value, words) in [
            ("retries", "1", "Available settings: "),
            ("generation.retires", "1", "generation.retries"),
            ("generation.retries", "many", "cannot be \"many\""),
            ("generation.retries", "-1", "cannot be \"-1\""),
            ("generation.retries", "99", "from 0 to 20"),
            ("hardware.provider", "abacus", "cuda"),
            ("hardware.provider", "none", "cannot be \"none\""),
            ("version", "2", "no setting"),
            ("modes.t2v", "2", "no setting"),
            ("modes.t2v.max_steps", "1.5", "cannot be"),
            ("optimization.vram_limit_gib", "-1", "from 0 to 1024"),
        ] {
            let error = format!("{:#}", settings.set(key, value).unwrap_err());
            assert!(error.contains(words), "{key}: {error}");
        }
        assert_eq!(settings, Settings::default());
        let mut newer = Settings { version: 2, ..Settings::default() };
        assert_eq!(newer.set("generation.retries", "1").unwrap_err().kind, Kind::Unsupported);
    }
}
