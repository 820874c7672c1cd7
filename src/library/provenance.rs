//! What is written into every output: all that is needed to make it again, and by what it was made.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::core::{Draft, Error, GenRequest, Kind, LoraRecord, Result};
use crate::media::{Metadata, read_metadata};

/// The record of a video that was just made.
#[derive(Serialize)]
pub(crate) struct Provenance<'a> {
    /// Version of this program.
    pub(crate) wandeck: &'static str,
    pub(crate) request: &'a GenRequest,
    pub(crate) model: &'a str,
    pub(crate) model_fingerprint: String,
    /// SHA-256 of the first and the last picture's file, as far as given.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) pictures: &'a [String],
    /// Version of ONNX Runtime.
    pub(crate) onnxruntime: &'a str,
    pub(crate) provider: &'static str,
    /// Why that provider and those types.
    pub(crate) provider_reason: &'a str,
    pub(crate) precision: &'static str,
    pub(crate) loras: &'a [LoraRecord],
    /// What failed before and was changed then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<&'a str>,
}

impl Provenance<'_> {
    /// As it goes into a file: the record for programs and a line for people.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let json = serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Bug, "The request cannot be written down").because(error))?;
        let Provenance { request, model, .. } = self;
        let comment = format!(
            "{} · {model} · seed {} · {} steps · guidance {} · shift {}",
            request.prompt, request.seed.0, request.steps.0, request.guidance.0, request.shift.0
        );
        Ok(Metadata::new(&comment, &json))
    }
}

/// The record that a file of ours carries; none if it carries nothing.
#[derive(Clone, Debug)]
pub struct SavedRequest {
    /// The form that made it.
    pub draft: Draft,
    record: Value,
}

impl SavedRequest {
    /// Reads the record of a video, picture or folder of frames.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(json) = read_metadata(path)? else { return Ok(None) };
        let unreadable = |error: serde_json::Error| {
            Error::new(Kind::Input, format!("The settings in {} cannot be read", path.display()))
                .because(error)
                .remedy("It may come from another version of Wandeck")
        };
        let record: Value = serde_json::from_str(&json).map_err(unreadable)?;
        let draft = serde_json::from_value(record["request"].clone()).map_err(unreadable)?;
        Ok(Some(Self { draft, record }))
    }

    /// What the record says under `key`; null if nothing.
    pub(crate) fn value(&self, key: &str) -> &Value {
        &self.record[key]
    }

    /// What is another in `new`, as "name: old, now new"; empty if both were made in the same way.
    pub fn differences(&self, new: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &self.record, &new.record, &mut found);
        found
    }
}

fn compare(name: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if let (Some(old), Some(new)) = (old.as_object(), new.as_object()) {
        let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
        for key in keys {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            compare(&name, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), found);
        }
    } else if old != new {
        found.push(format!("{name}: {old}, now {new}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_where_they_are() {
        let mut found = Vec::new();
        let old = json!({"wandeck": "0.1", "request": {"seed": 1, "size": {"width": 64}}, "gone": true});
        let new = json!({"wandeck": "0.1", "request": {"seed": 2, "size": {"width": 64}}, "came": [1]});
        compare("", &old, &new, &mut found);
        assert_eq!(found, ["gone: true, now null", "request.seed: 1, now 2", "came: null, now [1]"]);
    }
}
