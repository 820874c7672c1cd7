//! Which models were verified, and when: a window that is idle verifies each once in a while.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::catalog::Installed;
use super::fetch::modified;
use super::info::Layout;
use crate::core::{Bytes, Utc, read_bounded, sha256_hex};

/// A model whose files did not change is due again after this time: 30 days.
const HOURS: f64 = 30.0 * 24.0;
/// Largest list that is read.
const MAX_LIST: Bytes = Bytes(4 << 20);

/// The models that were verified, in a file of the data folder's cache.
#[derive(Clone, Debug)]
pub struct VerifiedModels {
    file: PathBuf,
}

/// A model when it was verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Verified {
    at: Utc,
    /// Hash of the paths, sizes and times of its files.
    files: String,
}

impl VerifiedModels {
    /// The list of a data folder. Nothing is read yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { file: data_dir.join("cache/verify/verified.json") }
    }

    /// The model that is to be verified next: one that never was or whose files changed, else the one whose last time is
    /// longest ago, if that is more than 30 days. `None` if no model is due.
    pub fn due<'a>(&self, models: &'a [Installed], now: Utc) -> Option<&'a Installed> {
        let all = self.all();
        let last = |model: &Installed| {
            let known = all.get(&key(model)).filter(|known| known.files == state(model));
            known.map(|known| known.at)
        };
        let candidates = models.iter().filter(|model| is_verifiable(model)).map(|model| (last(model), model));
        let due = candidates.filter(|(last, _)| last.is_none_or(|last| last < now.hours_before(HOURS)));
        due.min_by_key(|(last, _)| *last).map(|(_, model)| model)
    }

    /// Notes that `model` was verified, whatever was found.
    pub fn note(&self, model: &Installed, now: Utc) {
        let mut all = self.all();
        all.insert(key(model), Verified { at: now, files: state(model) });
        let folder = self.file.parent().map_or(Ok(()), std::fs::create_dir_all);
        // a list that was cut off counts as empty, which only means that models are verified again
        let written = serde_json::to_vec(&all)
            .map_err(std::io::Error::other)
            .and_then(|text| folder.and_then(|()| std::fs::write(&self.file, text)));
        if let Err(error) = written {
            tracing::warn!("Cannot remember that {} was verified: {error}", model.id);
        }
    }

    /// What is remembered; nothing if the list is missing or damaged.
    fn all(&self) -> BTreeMap<String, Verified> {
        let bytes = read_bounded(&self.file, MAX_LIST).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

fn key(model: &Installed) -> String {
    model.path.display().to_string()
}

/// Whether every byte of a model can be read and compared.
fn is_verifiable(model: &Installed) -> bool {
    model.limits.is_ok() && model.info.as_ref().is_some_and(|info| info.layout != Layout::ExportedOnnx)
}

/// Hash of the paths, sizes and times of a model's files.
fn state(model: &Installed) -> String {
    let components = model.info.iter().flat_map(|info| &info.components);
    let mut files: Vec<_> = components.flat_map(|component| &component.files).collect();
    files.sort();
    files.dedup();
    let line = |path: &&PathBuf| {
        let size = std::fs::metadata(path).map_or(0, |data| data.len());
        format!("{} {size} {}\n", path.display(), modified(path))
    };
    sha256_hex(files.iter().map(line).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_due_in_turn_after_a_month_and_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let copy = dir.path().join("models/toy-ti2v-5B");
        for folder in ["", "scheduler", "text_encoder", "tokenizer", "transformer", "vae"] {
            std::fs::create_dir_all(copy.join(folder)).unwrap();
            for entry in std::fs::read_dir(toys.join("toy-ti2v-5B").join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    std::fs::copy(&path, copy.join(folder).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
        let models: Vec<_> = crate::models::installed(dir.path(), None)
            .into_iter()
            .filter(|model| model.path.starts_with(dir.path()) || model.id == "toy-t2v-A14B")
            .collect();
        assert_eq!(models.len(), 2);
        let verified = VerifiedModels::new(dir.path());
        let (start, day) = (Utc(1_800_000_000), 24 * 60 * 60);
        let due = |now| verified.due(&models, now).map(|model| model.id.clone());
        let first = due(start).unwrap();
        let get = |id: &str| models.iter().find(|model| model.id == id).unwrap();
        verified.note(get(&first), start);
        let second = due(start).unwrap();
        assert_ne!(first, second);
        verified.note(get(&second), Utc(start.0 + day));
        assert_eq!(due(Utc(start.0 + 30 * day)), None);
        assert_eq!(due(Utc(start.0 + 40 * day)), Some(first), "longest ago");
        // another time of a file is a change
        let file = &get("toy-ti2v-5B").info.as_ref().unwrap().components[0].files[0];
        std::fs::File::options()
            .append(true)
            .open(file)
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(due(Utc(start.0 + 2 * day)).as_deref(), Some("toy-ti2v-5B"));
    }
}
