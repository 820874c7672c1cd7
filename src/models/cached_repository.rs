//! Tells a cached repository of Wan from those of other models, before all of its files are read: a language model may
//! have a hundred shards, and reading their headers takes a second.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::names::mentions_wan;
use super::open::snapshot;
use super::{diffusers, folder};
use crate::core::{read_bounded, without_byte_order_mark};
use crate::onnx::Weights;
use crate::wan::names::{ComponentKind, recognise};
use crate::wan::{CheckConfig as _, OriginalConfig};

/// Files of a repository that say which pipeline or transformer it has.
const CONFIGS: [&str; 5] = [
    diffusers::INDEX_FILE,
    "config.json",
    "transformer/config.json",
    "high_noise_model/config.json",
    "low_noise_model/config.json",
];
/// How many folders below a snapshot checkpoints are looked for.
const DEPTH: usize = 2;
/// Maximum number of checkpoint files whose names are looked at.
const MAX_FILES: usize = 500;
/// Maximum number of checkpoints whose headers are read, where no name says anything.
const MAX_HEADERS: usize = 4;

/// Whether the folder of a cached repository has something of a Wan model: its name, the index of a pipeline, the
/// configuration of a transformer, or a checkpoint that is one by its name or its tensors.
pub(super) fn holds_wan(repository: &Path) -> bool {
    let files = snapshot(repository);
    is_called_wan(repository)
        || CONFIGS.iter().any(|name| is_config_of_wan(&files.join(name)))
        || has_transformer(&files)
}

/// Whether the name of a repository's folder or of a file mentions Wan.
fn is_called_wan(path: &Path) -> bool {
    path.file_name().is_some_and(|name| mentions_wan(&name.to_string_lossy()))
}

/// Whether a configuration is that of a Wan pipeline or transformer, as diffusers or as Wan writes it.
fn is_config_of_wan(path: &Path) -> bool {
    let Ok(bytes) = read_bounded(path, diffusers::MAX_JSON) else { return false };
    let bytes = without_byte_order_mark(&bytes);
    let class = serde_json::from_slice::<Value>(bytes).ok();
    let class = class.as_ref().and_then(|config| config.get("_class_name")?.as_str());
    class.is_some_and(|name| name.contains("Wan"))
        || serde_json::from_slice::<OriginalConfig>(bytes).is_ok_and(|config| config.check().is_ok())
}

fn has_transformer(files: &Path) -> bool {
    let mut checkpoints = Vec::new();
    add_checkpoints(files, DEPTH, &mut checkpoints);
    checkpoints.iter().any(|path| is_called_wan(path))
        || checkpoints.iter().filter(|path| !is_later_shard(path)).take(MAX_HEADERS).any(|path| {
            let weights = Weights::from_files(std::slice::from_ref(path));
            let found = weights.and_then(|weights| recognise(&weights)).unwrap_or_default();
            found.iter().any(|found| found.kind == ComponentKind::Transformer)
        })
}

/// Adds the checkpoint files in `folder`, sorted by name, and those in folders that are `deeper` below it.
fn add_checkpoints(folder: &Path, deeper: usize, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if found.len() == MAX_FILES {
            return;
        }
        if path.is_dir() {
            if deeper > 0 {
                add_checkpoints(&path, deeper - 1, found);
            }
        } else if folder::is_checkpoint(&path) {
            found.push(path);
        }
    }
}

/// Whether a file is a shard other than the first, which has the tensors that tell.
fn is_later_shard(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains("-of-") && !name.contains("-00001-of-")
}
