//! Opens a model from any of the supported folder layouts.

use std::path::{Path, PathBuf};

use super::info::ModelInfo;
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

/// Opens the model at `path` like [`open()`], and describes its files and components.
pub fn inspect(path: &Path) -> Result<Opened> {
    if path.is_dir() {
        return one_of(path, all(path));
    }
    if path.is_file() {
        return Err(if is_unsupported(path) { unsupported_format(path) } else { is_a_file(path) });
    }
    let id = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(parent) = path.parent().filter(|parent| parent.is_dir())
        && let Some((_, opened)) = all(parent).into_iter().find(|(known, _)| *known == id)
    {
        return opened;
    }
    Err(Error::new(Kind::MissingModel, format!("No model found at {}", path.display()))
        .remedy("Give the folder of a model, or download the model again"))
}

/// All models in a folder, complete or not, each with its id.
pub(super) fn all(dir: &Path) -> Vec<(String, Result<Opened>)> {
    let dir = snapshot(dir);
    // whatever is in one folder, the other models are listed
    std::panic::catch_unwind(|| all_in(&dir)).unwrap_or_else(|_| {
        let error =
            Error::new(Kind::CorruptModel, format!("The files in {} contradict each other", dir.display()))
                .remedy("Download the model again, or move the folder away");
        vec![(id_of(&dir), Err(error))]
    })
}

/// The id of the model in a folder of its own: the folder's name.
fn id_of(dir: &Path) -> String {
    dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned()
}

fn all_in(dir: &Path) -> Vec<(String, Result<Opened>)> {
    if exported::is_one(dir) {
        let id = id_of(dir);
        return vec![(id.clone(), exported::open(dir, id))];
    }
    if diffusers::is_one(dir) {
        let id = id_of(dir);
        return vec![(id.clone(), diffusers::open(dir, id))];
    }
    folder::models(dir)
}

/// The folder with the files, if `dir` is a folder of a Hugging Face cache (`models--NAME/snapshots/HASH`).
fn snapshot(dir: &Path) -> PathBuf {
    let snapshots = dir.join("snapshots");
    let named = read_text_bounded(&dir.join("refs/main"), Bytes(1 << 10)).ok();
    if let Some(path) = named.map(|hash| snapshots.join(hash.trim())).filter(|path| path.is_dir()) {
        return path;
    }
    let entries = std::fs::read_dir(snapshots).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).max().unwrap_or_else(|| dir.to_path_buf())
}

/// The model that is meant if only its folder is given: the only one, or the only usable one.
fn one_of(dir: &Path, mut models: Vec<(String, Result<Opened>)>) -> Result<Opened> {
    let usable = models.iter().filter(|(_, opened)| opened.is_ok()).count();
    if usable == 1 {
        models.retain(|(_, opened)| opened.is_ok());
    }
    if models.len() > 1 && usable != 0 {
        let ids: Vec<_> = models.iter().map(|(id, _)| format!("{}", dir.join(id).display())).collect();
        return Err(Error::new(
            Kind::Input,
            format!("The folder {} holds {} models", dir.display(), models.len()),
        )
        .field("model")
        .remedy(format!("Choose one: {}", ids.join(", "))));
    }
    match models.into_iter().next() {
        Some((_, opened)) => opened,
        None => Err(Error::new(
            Kind::MissingModel,
            format!("No model found in the folder {}", dir.display()),
        )
        .field("model")
        .remedy(
                "Give a diffusers folder (with model_index.json), Wan's original folder, or a folder of .safetensors files \
                 such as ComfyUI's models folder",
        )),
    }
}

fn is_a_file(path: &Path) -> Error {
    Error::new(Kind::Input, format!("{} is a single file, not a model's folder", path.display()))
        .field("model")
        .remedy("Give the folder that holds the transformers, the text encoder and the VAE")
}
