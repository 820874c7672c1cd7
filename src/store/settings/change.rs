//! Access to one setting by its key, for instance `generation.retries`.

use serde_json::Value;

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
            for (name, value) in object(values) {
                let text = match value {
                    Value::Null => NONE.to_owned(),
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                found.push((format!("{section}.{name}"), text));
            }
        }
        found
    }

    /// Sets `key` to `value`: a word or number as in the file, or `none` for no value. On an error nothing changes.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if self.version > VERSION {
            return Err(Error::new(
                Kind::Unsupported,
                format!("Cannot change the settings: the file has version {}, and this program writes version {VERSION}", self.version),
            )
            .remedy("Edit the file, or use the newer Wandeck that wrote it"));
        }
        let mut whole = serde_json::to_value(&*self).unwrap_or_default();
        let slot = key.split_once('.').and_then(|(section, name)| whole.get_mut(section)?.get_mut(name));
        let Some(slot) = slot else {
            let known: Vec<_> = self.entries().into_iter().map(|(key, _)| key).collect();
            return Err(Error::new(Kind::Input, format!("There is no setting \"{key}\""))
                .remedy(format!("Available settings: {}", known.join(", "))));
        };
        let word = || Value::String(value.to_owned());
        *slot = match slot {
            Value::Null | Value::String(_) if value == NONE => Value::Null,
            // a path that looks like a number is still a path
            Value::Null | Value::String(_) => word(),
            _ => serde_json::from_str(value).unwrap_or_else(|_| word()),
        };
        let changed: Self = serde_json::from_value(whole).map_err(|error| {
            Error::new(Kind::Input, format!("{key} cannot be \"{value}\"")).because(error)
        })?;
        changed.check()?;
        *self = changed;
        Ok(())
    }
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
        assert_eq!(entries.len(), 15, "{entries:?}");
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
        ] {
            settings.set(key, value).unwrap();
        }
        assert_eq!((settings.generation.retries, settings.generation.preflight), (0, false));
        assert_eq!((settings.errors.backoff_s, settings.hardware.provider), (3.0, ProviderChoice::Cpu));
        assert_eq!(settings.models.folder, Some("17".into()));
        settings.set("models.folder", "none").unwrap();
        assert_eq!(settings.models.folder, None);
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
        ] {
            let error = format!("{:#}", settings.set(key, value).unwrap_err());
            assert!(error.contains(words), "{key}: {error}");
        }
        assert_eq!(settings, Settings::default());
        let mut newer = Settings { version: 2, ..Settings::default() };
        assert_eq!(newer.set("generation.retries", "1").unwrap_err().kind, Kind::Unsupported);
    }
}
