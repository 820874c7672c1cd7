//! Values that files and the command line write with the same words.

/// Parses a value by its serde name, so that files and the command line use the same words.
pub(super) fn named<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|error| error.to_string())
}
