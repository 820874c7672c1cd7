//! The LoRA files on this machine, pairs as one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::catalog::Folders;
use crate::core::{Bytes, CancelToken, Error, Expert, Result};
use crate::wan::Checkpoint;
use crate::wan::lora::{LoraFile, LoraFitDocument, LoraSummary};

/// Folders below a folder of LoRAs that are looked into.
const MAX_DEPTH: usize = 4;
/// Files that are listed at most.
const MAX_FILES: usize = 5000;

/// A LoRA on this machine: one file, or one for each expert.
#[derive(Clone, Debug, Serialize)]
pub struct ListedLora {
    /// Name of the file, without the expert for a pair.
    pub name: String,
    /// Size of its files.
    pub size: Bytes,
    /// Its files, that of the high-noise expert first.
    pub files: Vec<ListedLoraFile>,
}

/// A file of a LoRA.
#[derive(Clone, Debug, Serialize)]
pub struct ListedLoraFile {
    /// The file.
    pub file: PathBuf,
    /// The expert that its name, folder or metadata says.
    pub expert: Option<Expert>,
    /// What it contains, if it can be read.
    pub summary: Option<LoraSummary>,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// How it fits the model that was asked for.
    pub fit: Option<LoraFitDocument>,
}

/// The document that `wandeck lora list --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LoraListDocument {
    /// The LoRAs by name.
    pub loras: Vec<ListedLora>,
}

/// All LoRAs in the folders called `loras` of the data folder, of its models and of the folder of models, which may be
/// `ComfyUI`'s. Reads headers only.
pub fn installed_loras(folders: &Folders) -> Vec<ListedLora> {
    paired(lora_files(folders))
}

/// The files in the folders of LoRAs, in order.
pub(super) fn lora_files(folders: &Folders) -> Vec<PathBuf> {
    let mut roots = vec![folders.data.join("models").join("loras"), folders.data.join("loras")];
    roots.extend(folders.models.iter().map(|models| models.join("loras")));
    let mut files = Vec::new();
    for root in roots {
        collect(&root, MAX_DEPTH, &mut files);
    }
    files.sort();
    files.dedup();
    files
}

fn fit(path: &Path, model: &Checkpoint) -> Result<LoraFitDocument> {
    let file = LoraFile::open(path)?;
    file.check_finite(&CancelToken::new())?;
    LoraFitDocument::of(&file, model)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, files);
            }
        } else if files.len() < MAX_FILES
            && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("safetensors"))
        {
            files.push(path);
        }
    }
}

/// The files with the two of a pair as one.
fn paired(files: Vec<PathBuf>) -> Vec<ListedLora> {
    let mut groups: BTreeMap<(PathBuf, String), Vec<ListedLoraFile>> = BTreeMap::new();
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = file.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
        let read = ListedLoraFile::read(file);
        let pair = match stem.as_str() {
            "transformer" | "transformer_2" if read.expert.is_some() => String::new(),
            _ if read.expert.is_some() => Expert::pair_name(&stem),
            _ => stem,
        };
        groups.entry((folder, pair)).or_default().push(read);
    }
    let mut found = Vec::new();
    for ((folder, pair), mut group) in groups {
        group.sort_by_key(|file| file.expert != Some(Expert::High));
        let experts: Vec<_> = group.iter().map(|file| file.expert).collect();
        if experts == [Some(Expert::High), Some(Expert::Low)] {
            // some are called only after their expert, in a folder with the LoRA's name
            let named = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = if ["", "model", "lora"].contains(&pair.as_str()) { named } else { pair };
            found.push(ListedLora::new(name, group));
        } else {
            found.extend(group.into_iter().map(|file| {
                let stem = file.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                ListedLora::new(stem, vec![file])
            }));
        }
    }
    found.sort_by_key(|lora| lora.name.to_lowercase());
    found
}

impl ListedLora {
    fn new(name: String, files: Vec<ListedLoraFile>) -> Self {
        let size = files.iter().filter_map(|file| Some(file.summary.as_ref()?.size.0)).sum();
        Self { name, size: Bytes(size), files }
    }

    /// Whether it is a pair of one file for each expert.
    pub fn is_pair(&self) -> bool {
        self.files.len() == 2
    }
}

impl ListedLoraFile {
    fn read(file: PathBuf) -> Self {
        let opened = LoraFile::open(&file);
        let (expert, summary, problem) = match &opened {
            Ok(opened) => {
                let summary = opened.summary();
                let is_lora = !summary.format.is_empty();
                let problem = (!is_lora).then(|| "it has no LoRA keys".to_owned());
                (opened.expert().filter(|_| summary.experts.is_empty()), Some(summary), problem)
            }
            Err(error) => (None, None, Some(words(error))),
        };
        Self { file, expert, summary, problem, fit: None }
    }

    /// Adds how it fits `model`, or why that cannot be opened. Reads all its values.
    #[must_use]
    pub fn with_fit(mut self, model: &Result<Checkpoint>) -> Self {
        match model.as_ref().map_err(Error::clone).and_then(|model| fit(&self.file, model)) {
            Ok(fit) => {
                self.problem = self.problem.or_else(|| fit.problem.clone());
                self.fit = Some(fit);
            }
            Err(error) => self.problem = self.problem.or_else(|| Some(words(&error))),
        }
        self
    }
}

fn words(error: &Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    #[test]
    fn pairs_are_one_and_what_is_no_lora_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let loras = dir.path().join("models/loras");
        for folder in ["lightning", "duo", "solo"] {
            std::fs::create_dir_all(loras.join(folder)).unwrap();
        }
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/loras/musubi.safetensors");
        for name in [
            "styleHigh.safetensors",
            "styleLow.safetensors",
            "rain.safetensors",
            "w_hnoise.safetensors",
            "w_lnoise.safetensors",
            "fooHIGHbar.safetensors",
            "fooLOWbar.safetensors",
            "duo/transformer.safetensors",
            "duo/transformer_2.safetensors",
            "solo/transformer.safetensors",
            "lightning/high_noise_model.safetensors",
            "lightning/low_noise_model.safetensors",
        ] {
            std::fs::copy(&golden, loras.join(name)).unwrap();
        }
        std::fs::write(loras.join("torn.safetensors"), "version https://git-lfs").unwrap();
        let folders = Folders { data: dir.path().to_path_buf(), models: None };
        let found = installed_loras(&folders);
        let names: Vec<_> = found.iter().map(|lora| (lora.name.as_str(), lora.files.len())).collect();
        assert_eq!(
            names,
            [
                ("duo", 2),
                ("foobar", 2),
                ("lightning", 2),
                ("rain", 1),
                ("style", 2),
                ("torn", 1),
                ("transformer", 1),
                ("w", 2)
            ]
        );
        let experts = |lora: &ListedLora| lora.files.iter().map(|file| file.expert).collect::<Vec<_>>();
        assert_eq!(experts(&found[0]), [Some(Expert::High), Some(Expert::Low)]);
        assert_eq!((experts(&found[4])[0], experts(&found[6])), (Some(Expert::High), vec![None]));
        assert!(found[5].files[0].problem.is_some() && found[5].files[0].summary.is_none());
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/tiny-t2v");
        let fitted = found[3].files[0].clone().with_fit(&models::open(&model));
        assert_eq!(fitted.fit.unwrap().fit.matched.len(), 20);
        assert_eq!(fitted.problem, None);
        let unknown = found[3].files[0].clone().with_fit(&models::open(dir.path()));
        assert!(unknown.fit.is_none() && unknown.problem.is_some());
    }
}
