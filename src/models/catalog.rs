//! Finds models: a folder given by path, or by name in the folders where models are kept.

use std::env;
use std::path::{Path, PathBuf};

use super::info::ModelInfo;
use super::open::{self, Opened};
use super::{diffusers, folder};
use crate::core::{Error, Kind, Limits, Result};
use crate::wan::Family;

/// Environment variable with the folder where models are kept.
pub const MODELS_ROOT_VARIABLE: &str = "MODELS_ROOT";
/// How many folders above the program a checkout's `models` folder is looked for (`target/release/deps`).
const ANCESTORS: usize = 4;

/// A model that was found, complete or not.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its name.
    pub id: String,
    /// The path to give to [`super::open`]: the model's folder, with the id appended if the folder holds several models.
    pub path: PathBuf,
    /// What requests the model accepts, or the error that opening it gave.
    pub limits: Result<Limits>,
    /// Which of Wan's official models it is.
    pub family: Option<Family>,
    /// Its files and components, if it could be opened.
    pub info: Option<ModelInfo>,
}

impl Installed {
    /// The model that opening `path` gave.
    pub fn new(id: String, path: PathBuf, opened: Result<Opened>) -> Self {
        match opened {
            Ok(Opened { checkpoint, info }) => {
                let (limits, family) = (Ok(checkpoint.limits()), checkpoint.family());
                Self { id, path, limits, family, info: Some(info) }
            }
            Err(error) => Self { id, path, limits: Err(error), family: None, info: None },
        }
    }
}

/// All models in the folders where models are kept, sorted by name. Of two models with one name, the first found wins.
pub fn installed(data_dir: &Path, models_dir: Option<&Path>) -> Vec<Installed> {
    let mut found: Vec<Installed> = Vec::new();
    for place in places(data_dir, models_dir) {
        for model in in_place(&place) {
            if !found.iter().any(|known| known.id == model.id) {
                found.push(model);
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// The models in one folder: its subfolders, or its files if it is ComfyUI's `models` folder or holds checkpoints itself.
fn in_place(place: &Path) -> Vec<Installed> {
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    let is_weights = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "safetensors");
    let is_folder_of_files = entries.iter().any(is_weights)
        || ["diffusion_models", "unet"].iter().any(|name| place.join(name).is_dir());
    let mut found = Vec::new();
    if is_folder_of_files {
        found.extend(in_folder(place, folder::models(place)));
    }
    for path in entries.into_iter().filter(|path| path.is_dir()) {
        if diffusers::is_one(&path) || !is_folder_of_files {
            let models = open::all(&path);
            found.extend(in_folder(&path, models));
        }
    }
    found
}

fn in_folder(dir: &Path, models: Vec<(String, Result<Opened>)>) -> Vec<Installed> {
    let alone = models.len() == 1;
    let model = |(id, opened): (String, _)| {
        let path = if alone { dir.to_path_buf() } else { dir.join(&id) };
        Installed::new(id, path, opened)
    };
    models.into_iter().map(model).collect()
}

/// The path to give to [`super::open`] for the model `id`, which may itself be a path.
pub fn find(id: &str, data_dir: &Path, models_dir: Option<&Path>) -> Result<PathBuf> {
    let direct = Path::new(id);
    let is_name = direct.components().count() == 1;
    let places = places(data_dir, models_dir);
    if !diffusers::is_one(direct)
        && is_name
        && let Some(path) = places.iter().map(|place| place.join(id)).find(|path| diffusers::is_one(path))
    {
        return Ok(path);
    }
    let parent_is_there = !is_name && direct.parent().is_some_and(Path::is_dir);
    if direct.exists() || parent_is_there {
        return std::path::absolute(direct)
            .map_err(|error| Error::new(Kind::Io, format!("Cannot use the folder {id}")).because(error));
    }
    let installed = installed(data_dir, models_dir);
    if let Some(model) = installed.iter().find(|model| model.id == id) {
        return Ok(model.path.clone());
    }
    if let Some(path) = places.iter().map(|place| place.join(id)).find(|path| is_name && path.is_dir()) {
        return Ok(path);
    }
    let names: Vec<_> = installed.into_iter().map(|model| model.id).collect();
    let remedy = if names.is_empty() {
        "No models were found. Give the path of a model's folder, or set MODELS_ROOT".to_owned()
    } else {
        format!(
            "Available models: {}. Use one of these, or give the path of a model's folder",
            names.join(", ")
        )
    };
    Err(Error::new(Kind::MissingModel, format!("Model \"{id}\" not found")).field("model").remedy(remedy))
}

/// Folders to search: the caller's, `MODELS_ROOT`, the data folder's `models`, and `models` beside and above the program.
fn places(data_dir: &Path, models_dir: Option<&Path>) -> Vec<PathBuf> {
    let named = models_dir.map(Path::to_path_buf);
    let root = env::var_os(MODELS_ROOT_VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from);
    let mut places: Vec<_> = named.into_iter().chain(root).chain([data_dir.join("models")]).collect();
    if let Ok(program) = env::current_exe() {
        places.extend(program.ancestors().skip(1).take(ANCESTORS).map(|dir| dir.join("models")));
    }
    places
}
