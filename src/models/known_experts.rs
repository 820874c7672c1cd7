//! Experts that are known by their content, whatever their files are called.
//!
//! Both experts of a model have the same tensors, so only the values tell them apart. Known are files that a person
//! chose as an expert, files that were fetched as one, files that a hub cache has under a name that says it, and
//! published files, by the SHA-256 that the manifest lists.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::info::RoleSource;
use super::json_file::write_json;
use super::manifest::{FileComponent, Manifest, ManifestFile, load_manifest};
use crate::core::{Bytes, CancelToken, Expert, read_bounded};
use crate::onnx::Weights;
use crate::transfers::{ObjectHasher, ObjectId};
use crate::wan::names::{ComponentKind, recognise};

/// The list in the data folder.
const FILE: &str = "known-experts.json";
/// Largest list that is read.
const MAX_LIST: Bytes = Bytes(4 << 20);
/// How many folders below a snapshot of a hub cache its links are.
const SNAPSHOT_DEPTH: usize = 3;

/// What is remembered of a transformer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// Which expert it is; `None` if its checksum is that of no published expert.
    expert: Option<Expert>,
    source: MemorySource,
}

/// How it became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MemorySource {
    /// A person chose its file.
    Chosen,
    /// It was fetched as this file of a repository.
    Fetched(String),
    /// It was read; its SHA-256.
    Read(String),
}

/// The remembered transformers by [`Weights::content`].
type Memory = BTreeMap<String, Remembered>;

/// What is known of experts on this machine, read when the first is asked for.
pub(super) struct KnownExperts<'a> {
    data_dir: Option<&'a Path>,
    memory: OnceCell<Memory>,
    manifest: OnceCell<Option<Manifest>>,
}

impl<'a> KnownExperts<'a> {
    /// What the data folder knows; without one only hub caches say something.
    pub(super) fn new(data_dir: Option<&'a Path>) -> Self {
        Self { data_dir, memory: OnceCell::new(), manifest: OnceCell::new() }
    }

    /// The expert that `weights` are by their content. A file with the size of a published one is read whole, once.
    pub(super) fn expert(&self, weights: &Weights) -> Option<(Expert, RoleSource)> {
        let file = weights.files().first()?;
        self.remembered(weights)
            .or_else(|| name_in_hub_cache(file))
            .or_else(|| self.published(weights).filter(|_| weights.files().len() == 1))
    }

    fn memory(&self) -> &Memory {
        self.memory.get_or_init(|| self.data_dir.map(read).unwrap_or_default())
    }

    fn remembered(&self, weights: &Weights) -> Option<(Expert, RoleSource)> {
        let memory = self.memory();
        if memory.is_empty() {
            return None;
        }
        let known = memory.get(&weights.content().ok()?)?;
        let source = match &known.source {
            MemorySource::Chosen => RoleSource::ChosenEarlier,
            MemorySource::Fetched(file) => RoleSource::Content(file.clone()),
            MemorySource::Read(sha256) => return self.by_digest(sha256),
        };
        Some((known.expert?, source))
    }

    fn manifest(&self) -> Option<&Manifest> {
        self.manifest.get_or_init(|| load_manifest(self.data_dir?).ok()).as_ref()
    }

    /// The published experts, each with its file in the manifest.
    fn listed(&self) -> impl Iterator<Item = (Expert, &ManifestFile)> {
        let files = self.manifest().into_iter().flat_map(|manifest| manifest.files.values());
        files.filter_map(|file| Some((expert_of(file.component)?, file)))
    }

    fn by_digest(&self, sha256: &str) -> Option<(Expert, RoleSource)> {
        let is_it =
            |file: &ManifestFile| file.sha256.as_ref().is_some_and(|sum| sum.eq_ignore_ascii_case(sha256));
        let (expert, file) = self.listed().find(|(_, file)| is_it(file))?;
        let name = file.path.rsplit('/').next().unwrap_or_default();
        Some((expert, RoleSource::Content(name.to_owned())))
    }

    /// The expert of a file that has the size of a published one, by its SHA-256, which is remembered.
    fn published(&self, weights: &Weights) -> Option<(Expert, RoleSource)> {
        let file = weights.files().first()?;
        if let Some(sha256) = blob_digest(file) {
            return self.by_digest(&sha256);
        }
        let size = Bytes(std::fs::metadata(file).ok()?.len());
        let is_candidate = |listed: &ManifestFile| listed.size == Some(size) && listed.sha256.is_some();
        if !self.listed().any(|(_, listed)| is_candidate(listed)) {
            return None;
        }
        let data_dir = self.data_dir?;
        let content = weights.content().ok()?;
        if self.memory().contains_key(&content) {
            return None;
        }
        let sha256 = digest_of(file)?;
        let found = self.by_digest(&sha256);
        let expert = found.as_ref().map(|(expert, _)| *expert);
        remember(data_dir, [(content, Remembered { expert, source: MemorySource::Read(sha256) })]);
        found
    }
}

/// Remembers the files that a person chose as experts.
pub fn remember_chosen_experts(data_dir: &Path, high: Option<&Path>, low: Option<&Path>) {
    let chosen = [(Expert::High, high), (Expert::Low, low)].into_iter();
    let known = chosen.filter_map(|(expert, file)| {
        Some((content_of(file?)?, Remembered { expert: Some(expert), source: MemorySource::Chosen }))
    });
    remember(data_dir, known.collect::<Vec<_>>());
}

/// Remembers an expert that was fetched to `file`, as `path` in its repository.
pub(super) fn remember_fetched(data_dir: &Path, component: FileComponent, file: &Path, path: &str) {
    let Some(expert) = expert_of(component) else { return };
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    let source = MemorySource::Fetched(name);
    let known = content_of(file).map(|content| (content, Remembered { expert: Some(expert), source }));
    remember(data_dir, known);
}

fn expert_of(component: FileComponent) -> Option<Expert> {
    match component {
        FileComponent::HighNoiseExpert => Some(Expert::High),
        FileComponent::LowNoiseExpert => Some(Expert::Low),
        _ => None,
    }
}

/// What identifies the transformer in `file`.
fn content_of(file: &Path) -> Option<String> {
    let weights = Weights::from_files(&[file.to_path_buf()]).ok()?;
    let found = recognise(&weights).ok()?;
    let transformer = found.into_iter().find(|found| found.kind == ComponentKind::Transformer)?;
    transformer.weights.content().ok()
}

/// The SHA-256 that is the name of a blob in a hub cache.
fn blob_digest(file: &Path) -> Option<String> {
    match ObjectId::parse(&file.file_name()?.to_string_lossy()) {
        Some(ObjectId::Sha256(digits)) if is_blob(file) => Some(digits),
        _ => None,
    }
}

/// The SHA-256 of the bytes of a file.
fn digest_of(file: &Path) -> Option<String> {
    tracing::info!("Reading {} once, to find out which expert it is by its checksum", file.display());
    match ObjectHasher::of_file(file, None, &CancelToken::new(), &mut |_| {}) {
        Ok(ObjectId::Sha256(digits)) => Some(digits),
        _ => None,
    }
}

fn is_blob(file: &Path) -> bool {
    file.parent().is_some_and(|folder| folder.file_name().is_some_and(|name| name == "blobs"))
}

/// The expert of a blob of a hub cache, by the names that the cache's snapshots have for it.
fn name_in_hub_cache(file: &Path) -> Option<(Expert, RoleSource)> {
    let snapshots = file.parent().filter(|_| is_blob(file))?.parent()?.join("snapshots");
    let mut links = Vec::new();
    links_to(file, &snapshots, SNAPSHOT_DEPTH, &mut links);
    links.iter().find_map(|link| {
        let stem = link.file_stem()?.to_string_lossy().into_owned();
        let folder = link.parent()?.file_name()?.to_string_lossy().into_owned();
        let by_name = Expert::from_name(&stem).map(|expert| (expert, RoleSource::Content(stem)));
        by_name
            .or_else(|| Expert::from_folder_name(&folder).map(|expert| (expert, RoleSource::Content(folder))))
    })
}

fn links_to(file: &Path, folder: &Path, deeper: usize, links: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            if deeper > 0 {
                links_to(file, &path, deeper - 1, links);
            }
        } else if path.canonicalize().is_ok_and(|real| real == file) {
            links.push(path);
        }
    }
}

fn read(data_dir: &Path) -> Memory {
    let bytes = read_bounded(&data_dir.join(FILE), MAX_LIST).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Adds to the list; a person's choice is replaced by another choice only.
fn remember(data_dir: &Path, more: impl IntoIterator<Item = (String, Remembered)>) {
    let before = read(data_dir);
    let mut memory = before.clone();
    for (content, new) in more {
        let is_chosen = |known: &Remembered| known.source == MemorySource::Chosen;
        if new.source == MemorySource::Chosen || !memory.get(&content).is_some_and(is_chosen) {
            memory.insert(content, new);
        }
    }
    if memory == before {
        return;
    }
    if let Err(error) = write_json(&data_dir.join(FILE), &memory) {
        tracing::warn!("Cannot remember which expert a file is: {error:#}");
    }
}
