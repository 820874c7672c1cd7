//! Which files of a model have changed since a run used them, or since they were fetched.
//!
//! Only sizes and times are compared; `models verify` compares the bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fetch::{FetchRecord, has_changed, modified};
use super::integrity::place_in_record;
use super::json_file::write_json;
use crate::core::{Bytes, read_bounded};
use crate::wan::Checkpoint;

/// The list in the data folder.
const FILE: &str = "cache/verify/used.json";
/// Largest list that is read.
const MAX_LIST: Bytes = Bytes(4 << 20);
/// Files in the list from which those that are gone are left out.
const MANY: usize = 1000;

/// Size and time of each file when a run used it last.
type UsedFiles = BTreeMap<PathBuf, (u64, u64)>;

/// The weight files of `model` that have another size or time than at its last run with this data folder; before the
/// first run, than when they were fetched. Remembers how they are now.
pub fn changed_files(data_dir: &Path, model: &Checkpoint) -> Vec<PathBuf> {
    let before = read(data_dir);
    let mut used = before.clone();
    let mut changed = Vec::new();
    for file in weight_files(model) {
        let size = std::fs::metadata(file).map_or(0, |data| data.len());
        let now = (size, modified(file));
        let known = used.insert(file.clone(), now);
        if known.map_or_else(|| has_changed_since_fetch(file), |known| known != now) {
            changed.push(file.clone());
        }
    }
    if used != before {
        if used.len() > MANY {
            used.retain(|path, _| path.exists());
        }
        if let Err(error) = write_json(&data_dir.join(FILE), &used) {
            tracing::warn!("Cannot remember the files that the run uses: {error:#}");
        }
    }
    changed
}

/// The files of all components, each once.
fn weight_files(model: &Checkpoint) -> Vec<&PathBuf> {
    let second = model.transformer_2.as_ref().map(|part| &part.weights);
    let weights = [&model.transformer.weights, &model.text_encoder.weights, &model.vae.weights];
    let mut files: Vec<_> = weights.into_iter().chain(second).flat_map(|weights| weights.files()).collect();
    files.sort();
    files.dedup();
    files
}

fn has_changed_since_fetch(file: &Path) -> bool {
    let Some((folder, inside)) = place_in_record(file) else { return false };
    let files = FetchRecord::read(&folder).map(|record| record.files).unwrap_or_default();
    files.iter().any(|recorded| recorded.path == inside && has_changed(&folder, recorded))
}

/// What is remembered; nothing if the list is missing or damaged.
fn read(data_dir: &Path) -> UsedFiles {
    let bytes = read_bounded(&data_dir.join(FILE), MAX_LIST).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
