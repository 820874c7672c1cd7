//! Opens a model from whatever folder a person names.

use std::path::{Path, PathBuf};

use super::info::ModelInfo;
use super::refused::{is_refused, refusal};
use super::{diffusers, exported, folder};
use crate::core::{Error, Kind, Result};
use crate::wan::Checkpoint;

/// A model that is open, and what it is made of.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The model.
    pub checkpoint: Checkpoint,
    /// What it is made of.
    pub about: ModelInfo,
}

/// Opens the model in `path`: a folder of any layout, or, where a folder holds several, the folder and the model's
/// id behind it (`models/t2v-A14B`). Headers are read, weights are not.
///
/// ```
/// # fn main() -> wandeck::core::Result<()> {
/// let model = wandeck::models::open("models/toy-t2v-A14B".as_ref())?;
/// assert!(model.transformer_2.is_some(), "a high-noise and a low-noise expert");
/// # Ok(())
/// # }
/// ```
pub fn open(path: &Path) -> Result<Checkpoint> {
    look(path).map(|opened| opened.checkpoint)
}

/// Likewise, and says what it is made of.
pub fn look(path: &Path) -> Result<Opened> {
    if path.is_dir() {
        return one_of(path, all(path));
    }
    if path.is_file() {
        return Err(if is_refused(path) { refusal(path) } else { is_a_file(path) });
    }
    let id = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(parent) = path.parent().filter(|parent| parent.is_dir())
        && let Some((_, opened)) = all(parent).into_iter().find(|(known, _)| *known == id)
    {
        return opened;
    }
    Err(Error::new(Kind::MissingModel, format!("There is no model in {}", path.display()))
        .remedy("Give the folder of a model, or fetch it again"))
}

/// Every model in a folder, whole or not, by its id.
pub(super) fn all(dir: &Path) -> Vec<(String, Result<Opened>)> {
    let dir = snapshot(dir);
    if exported::is_one(&dir) {
        let id = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        return vec![(id.clone(), exported::look(&dir, id))];
    }
    if diffusers::is_one(&dir) {
        let id = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        return vec![(id.clone(), diffusers::look(&dir, id))];
    }
    folder::models(&dir)
}

/// The folder with the files inside a folder of a hub cache (`models--NAME/snapshots/HASH`).
fn snapshot(dir: &Path) -> PathBuf {
    let snapshots = dir.join("snapshots");
    let named = std::fs::read_to_string(dir.join("refs/main")).ok();
    if let Some(path) = named.map(|hash| snapshots.join(hash.trim())).filter(|path| path.is_dir()) {
        return path;
    }
    let entries = std::fs::read_dir(snapshots).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).max().unwrap_or_else(|| dir.to_path_buf())
}

/// The model of a folder that is meant when only the folder is named: the only one, or the only usable one.
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
        .remedy(format!("Say which one: {}", ids.join(", "))));
    }
    match models.into_iter().next() {
        Some((_, opened)) => opened,
        None => Err(Error::new(
            Kind::MissingModel,
            format!("The folder {} holds no model", dir.display()),
        )
        .field("model")
        .remedy(
            "Give a diffusers folder (with model_index.json), Wan's own folder, or ComfyUI's models folder, with \
             .safetensors files",
        )),
    }
}

fn is_a_file(path: &Path) -> Error {
    Error::new(Kind::Input, format!("{} is a file and one part of a model", path.display()))
        .field("model")
        .remedy("Give the folder that holds the transformers, the text encoder and the VAE")
}
