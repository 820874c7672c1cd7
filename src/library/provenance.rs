//! The metadata of every output file: all settings needed to make it again, and the model and versions it was made
//! with.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::request_record::{LoraFileRecord, RequestRecord};
use crate::core::{DeviceChoices, Draft, Error, GenRequest, Kind, LoraRecord, Result, counted};
use crate::media::{Metadata, read_metadata};

/// The metadata of a finished video.
pub(crate) struct Provenance<'a> {
    pub(crate) request: &'a GenRequest,
    /// The model's id.
    pub(crate) model: &'a str,
    pub(crate) model_fingerprint: String,
    /// SHA-256 of the start image file and the end image file, if given.
    pub(crate) image_hashes: &'a [String],
    /// SHA-256 of the file with the starting latents, if one was given.
    pub(crate) latents_hash: Option<&'a str>,
    /// Version of ONNX Runtime.
    pub(crate) onnxruntime: &'a str,
    pub(crate) provider: &'static str,
    /// Reasons for the provider and the compute types.
    pub(crate) provider_reason: &'a str,
    pub(crate) precision: &'static str,
    pub(crate) loras: &'a [LoraRecord],
    /// What failed and which fixes were applied, one sentence for each retry.
    pub(crate) retry_messages: Vec<&'a str>,
}

/// The metadata as JSON, with the field names and order of version 0.1, see [`RequestRecord`].
#[derive(Serialize)]
struct ProvenanceDocument<'a> {
    /// Version of this program.
    wandeck: &'static str,
    request: RequestRecord<'a>,
    model: &'a str,
    model_fingerprint: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pictures: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    latents_sha256: Option<&'a str>,
    onnxruntime: &'a str,
    provider: &'static str,
    provider_reason: &'a str,
    precision: &'static str,
    loras: Vec<LoraFileRecord<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'a [&'a str],
}

impl Provenance<'_> {
    /// The metadata entries of the file: JSON for programs and one line for people.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let Provenance { request, model, .. } = self;
        let document = ProvenanceDocument {
            wandeck: env!("CARGO_PKG_VERSION"),
            request: RequestRecord::of(request),
            model,
            model_fingerprint: &self.model_fingerprint,
            pictures: self.image_hashes,
            latents_sha256: self.latents_hash,
            onnxruntime: self.onnxruntime,
            provider: self.provider,
            provider_reason: self.provider_reason,
            precision: self.precision,
            loras: self.loras.iter().map(LoraFileRecord::of).collect(),
            changes: &self.retry_messages,
        };
        let json = serde_json::to_string(&document).map_err(|error| {
            Error::new(Kind::Bug, "Cannot write the request into the file").because(error)
        })?;
        let comment = format!(
            "{} · {model} · seed {} · {} · guidance {} · shift {}",
            request.prompt,
            request.seed.0,
            counted(request.steps.0, "step"),
            request.guidance.0,
            request.shift.0
        );
        Ok(Metadata::new(&comment, &json))
    }
}

/// The settings stored in an output file.
#[derive(Clone, Debug)]
pub struct SavedRequest {
    /// The draft that it was made from.
    pub draft: Draft,
    record: Value,
}

impl SavedRequest {
    /// Reads the settings in a video, image or PNG sequence; `None` if it contains none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(json) = read_metadata(path)? else { return Ok(None) };
        let unreadable = |error: serde_json::Error| {
            Error::new(Kind::Input, format!("Cannot read the settings in {}", path.display()))
                .because(error)
                .remedy("It may come from another version of Wandeck")
        };
        let record: Value = serde_json::from_str(&json).map_err(unreadable)?;
        let draft: Draft = serde_json::from_value(record["request"].clone()).map_err(unreadable)?;
        // the machine may be another one, with other devices
        let draft = Draft { devices: DeviceChoices::default(), ..draft };
        Ok(Some(Self { draft, record }))
    }

    /// The value under `key` in the metadata; null if it is missing.
    pub(crate) fn value(&self, key: &str) -> &Value {
        &self.record[key]
    }

    /// The differences to `new` as "name: old, now new"; empty if there are none.
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
