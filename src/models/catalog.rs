//! Which models there are: a folder by its path, or by its name in the places where models live.

use std::env;
use std::path::{Path, PathBuf};

use super::diffusers;
use crate::core::{Error, Kind, Limits, Result};

/// Names the folder that models live in.
pub const MODELS_ROOT_VARIABLE: &str = "MODELS_ROOT";
/// What makes a folder a model.
const MARK: &str = "model_index.json";
/// How far above the program a checkout's `models` may be: `target/release/deps`.
const ANCESTORS: usize = 4;

/// A model folder, whole or not.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its name.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it can do, or what is wrong with it.
    pub limits: Result<Limits>,
}

/// Every model in the places where models live, by name. A name that is in two places is taken from the first.
pub fn installed(data_dir: &Path, models_dir: Option<&Path>) -> Vec<Installed> {
    let mut found: Vec<Installed> = Vec::new();
    for place in places(data_dir, models_dir) {
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        for path in
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.join(MARK).exists())
        {
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !found.iter().any(|model| model.id == id) {
                let limits = diffusers::open(&path).map(|checkpoint| checkpoint.limits());
                found.push(Installed { id, path, limits });
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// The folder of the model `id`, which may be a path.
pub fn find(id: &str, data_dir: &Path, models_dir: Option<&Path>) -> Result<PathBuf> {
    let direct = Path::new(id);
    if direct.join(MARK).exists() {
        return std::path::absolute(direct)
            .map_err(|error| Error::new(Kind::Io, format!("Cannot use the folder {id}")).because(error));
    }
    let places = places(data_dir, models_dir);
    let is_name = direct.components().count() == 1;
    if let Some(path) =
        places.iter().map(|place| place.join(id)).find(|path| is_name && path.join(MARK).exists())
    {
        return Ok(path);
    }
    if direct.is_dir() {
        return Err(Error::new(
            Kind::MissingModel,
            format!("The folder {id} holds no model: {MARK} is missing"),
        )
        .field("model")
        .remedy("Give the folder of a model in the diffusers layout"));
    }
    let names: Vec<_> = installed(data_dir, models_dir).into_iter().map(|model| model.id).collect();
    let there = if names.is_empty() {
        "There are no models".to_owned()
    } else {
        format!("There are: {}", names.join(", "))
    };
    Err(Error::new(Kind::MissingModel, format!("There is no model \"{id}\""))
        .field("model")
        .remedy(format!("{there}. Give one of these, or the path of a model's folder")))
}

/// A folder the caller names, `MODELS_ROOT`, the data folder, beside the program, the checkout it was built in.
fn places(data_dir: &Path, models_dir: Option<&Path>) -> Vec<PathBuf> {
    let named = models_dir.map(Path::to_path_buf);
    let root = env::var_os(MODELS_ROOT_VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from);
    let mut places: Vec<_> = named.into_iter().chain(root).chain([data_dir.join("models")]).collect();
    if let Ok(program) = env::current_exe() {
        places.extend(program.ancestors().skip(1).take(ANCESTORS).map(|dir| dir.join("models")));
    }
    places
}
