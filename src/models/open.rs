//! Opens a model from any of the supported folder layouts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::hints::RoleHints;
use super::info::ModelInfo;
use super::names::{names_of_folder, repository};
use super::unsupported::{is_unsupported, unsupported_format};
use super::{diffusers, exported, folder};
use crate::core::{Bytes, Error, Kind, Result, read_text_bounded};
use crate::wan::Checkpoint;

/// An opened model, and what its files are.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The model.
    pub checkpoint: Checkpoint,
    /// Its files and components.
    pub info: ModelInfo,
}

impl Opened {
    /// The path to give to [`open()`], for a model that was opened by `path`: a folder of files may come to hold more models.
    pub fn path_in(&self, path: PathBuf) -> PathBuf {
        if self.info.layout.is_of_files() && path.is_dir() { path.join(&self.checkpoint.id) } else { path }
    }
}

/// A model of a folder, complete or not, with its names.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Its id.
    pub(super) id: String,
    /// Other names that find it.
    pub(super) names: Vec<String>,
    /// The model, or why it cannot be used.
    pub(super) opened: Result<Opened>,
}

impl Listed {
    /// A model without other names.
    pub(super) fn new(id: String, opened: Result<Opened>) -> Self {
        Self { id, names: Vec::new(), opened }
    }
}

/// Opens the model at `path`: a folder of any supported layout, or, if a folder holds several models, the folder with
/// the model's id appended (`models/t2v-A14B`). Only headers are read, no weights.
///
/// # Errors
///
/// `MissingModel` if there is no model or a file of it is missing, `CorruptModel` if files are invalid or do not belong
/// together, `Unsupported` for other models and formats, `Input` if the folder holds several models.
///
/// # Examples
///
/// ```
/// use wandeck::core::Mode;
///
/// # fn main() -> wandeck::core::Result<()> {
/// let model = wandeck::models::open(std::path::Path::new("models/toy-t2v-A14B"))?;
/// assert_eq!(model.modes, [Mode::T2V]);
/// // an A14B model has two experts
/// assert!(model.transformer_2.is_some());
/// assert_eq!(model.vae.config.z_dim, 16);
/// # Ok(())
/// # }
/// ```
pub fn open(path: &Path) -> Result<Checkpoint> {
    inspect(path).map(|opened| opened.checkpoint)
}

/// Opens the model at `path` like [`open()`], with the choices of a person.
pub fn open_with(path: &Path, hints: RoleHints<'_>) -> Result<Checkpoint> {
    inspect_with(path, hints).map(|opened| opened.checkpoint)
}

/// Opens the model at `path` like [`open()`], and describes its files and components.
pub fn inspect(path: &Path) -> Result<Opened> {
    inspect_with(path, RoleHints::NONE)
}

/// Opens the model at `path` with the choices of a person, and describes its files and components.
pub fn inspect_with(path: &Path, hints: RoleHints<'_>) -> Result<Opened> {
    if path.is_dir() {
        return one_of(path, all(path, hints));
    }
    if path.is_file() {
        return Err(if is_unsupported(path) { unsupported_format(path) } else { is_a_file(path) });
    }
    let id = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(parent) = path.parent().filter(|parent| parent.is_dir())
        && let Some(model) = named(&id, all(parent, hints))
    {
        return model.opened;
    }
    Err(Error::new(Kind::MissingModel, format!("No model found at {}", path.display()))
        .remedy("Give the folder of a model, or download the model again"))
}

/// The model called `name`: by its id, else the most exact one with that other name.
fn named(name: &str, models: Vec<Listed>) -> Option<Listed> {
    let has_name = |model: &Listed| model.names.iter().any(|other| other == name);
    let exactness =
        |model: &Listed| model.opened.as_ref().map_or(usize::MAX, |opened| opened.info.exactness());
    let place = models.iter().position(|model| model.id == name).or_else(|| {
        let named = models.iter().enumerate().filter(|(_, model)| has_name(model));
        named.min_by_key(|(_, model)| exactness(model)).map(|(place, _)| place)
    })?;
    models.into_iter().nth(place)
}

/// All models in a folder, complete or not.
pub(super) fn all(dir: &Path, hints: RoleHints<'_>) -> Vec<Listed> {
    // whatever is in one folder, the other models are listed
    std::panic::catch_unwind(|| all_in(dir, hints)).unwrap_or_else(|_| {
        let error =
            Error::new(Kind::CorruptModel, format!("The files in {} contradict each other", dir.display()))
                .remedy("Download the model again, or move the folder away");
        vec![Listed::new(id_of(dir), Err(error))]
    })
}

/// The id of the model in a folder of its own: the repository's name in a Hugging Face cache, else the folder's name.
pub(super) fn id_of(dir: &Path) -> String {
    repository(dir)
        .unwrap_or_else(|| dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned())
}

fn all_in(dir: &Path, hints: RoleHints<'_>) -> Vec<Listed> {
    let id = id_of(dir);
    let files = snapshot(dir);
    let opened = if exported::is_one(&files) {
        exported::open_with(&files, id.clone(), hints.chosen)
    } else if diffusers::is_one(&files) {
        diffusers::open(&files, id.clone(), hints.chosen)
    } else {
        let mut models = folder::models(&files, hints);
        if let Some(repository) = repository(dir) {
            name_after_repository(&mut models, &repository);
        }
        return models;
    };
    vec![Listed { names: names_of_folder(&files, &id), id, opened }]
}

/// Lets the name of a repository find its models of single files, unless it has several that are no variants of one.
fn name_after_repository(models: &mut [Listed], repository: &str) {
    let usable = models.iter().filter(|model| model.opened.is_ok());
    let kinds: BTreeSet<_> = usable.filter_map(|model| model.names.first()).collect();
    if kinds.len() > 1 {
        return;
    }
    let short = repository.rsplit_once('/').map(|(_, name)| name);
    for model in models {
        let new = std::iter::once(repository).chain(short).filter(|name| **name != *model.id);
        model.names.extend(new.map(str::to_owned));
    }
}

/// The folder with the files, if `dir` is a folder of a Hugging Face cache (`models--NAME/snapshots/HASH`).
pub(super) fn snapshot(dir: &Path) -> PathBuf {
    let snapshots = dir.join("snapshots");
    let named = read_text_bounded(&dir.join("refs/main"), Bytes(1 << 10)).ok();
    if let Some(path) = named.map(|hash| snapshots.join(hash.trim())).filter(|path| path.is_dir()) {
        return path;
    }
    let entries = std::fs::read_dir(snapshots).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).max().unwrap_or_else(|| dir.to_path_buf())
}

/// The model that is meant if only its folder is given: the only one, or the only usable one.
fn one_of(dir: &Path, mut models: Vec<Listed>) -> Result<Opened> {
    let usable = models.iter().filter(|model| model.opened.is_ok()).count();
    if usable == 1 {
        models.retain(|model| model.opened.is_ok());
    }
    if models.len() > 1 && usable != 0 {
        let ids: Vec<_> = models.iter().map(|model| dir.join(&model.id).display().to_string()).collect();
        return Err(Error::new(
            Kind::Input,
            format!("The folder {} holds {} models", dir.display(), models.len()),
        )
        .field("model")
        .remedy(format!("Choose one: {}", ids.join(", "))));
    }
    match models.into_iter().next() {
        Some(model) => model.opened,
        None => Err(no_model(dir)),
    }
}

/// The error for a folder without a model: what its first file seems to be, if there is one.
fn no_model(dir: &Path) -> Error {
    let missing = format!("No model found in the folder {}", dir.display());
    let others = folder::other_files(dir);
    let seen = others.first().and_then(|other| Some((other, other.seems_to_be.as_ref()?)));
    let missing = match seen {
        Some((other, what)) => format!("{missing}: {} seems to be {what}", other.id),
        None => missing,
    };
    Error::new(Kind::MissingModel, missing).field("model").remedy(
        "Give a diffusers folder (with model_index.json), Wan's original folder, or a folder of .safetensors files \
         such as ComfyUI's models folder",
    )
}

fn is_a_file(path: &Path) -> Error {
    Error::new(Kind::Input, format!("{} is a single file, not a model's folder", path.display()))
        .field("model")
        .remedy("Give the folder that holds the transformers, the text encoder and the VAE")
}
