//! Makes models that lie elsewhere known to the program, without copying them.

use std::path::{Path, PathBuf};

use super::super::hints::RoleHints;
use super::super::open;
use super::adopt::{link, symbolic_link};
use crate::core::{Error, Kind, Result};
use crate::onnx::Weights;
use crate::wan::names::{ComponentKind, recognise, resemblance};

/// A model or a file that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedModel {
    /// Where it is now known by.
    pub path: PathBuf,
    /// Ids of the usable models in it.
    pub models: Vec<String>,
}

/// Makes the folder or the checkpoint file at `from` known: a link in the data folder's `models` leads to it. A file is
/// put among the imported single files by what it is.
///
/// # Errors
///
/// [`Kind::MissingModel`] if there is no Wan model in it, [`Kind::Input`] if the name is taken, [`Kind::Io`] if the
/// link cannot be made.
pub fn import_model(data_dir: &Path, from: &Path) -> Result<ImportedModel> {
    let from = std::fs::canonicalize(from).map_err(|error| {
        Error::new(Kind::Input, format!("Cannot read {}", from.display()))
            .because(error)
            .field("model")
            .remedy("Correct the path")
    })?;
    let models = data_dir.join("models");
    if from.is_file() {
        let place = place_of(&from)?;
        let folder = models.join("imported");
        let to = folder.join(place).join(name_of(&from)?);
        linked(&from, &to, link)?;
        return Ok(ImportedModel { path: to, models: usable(&folder, data_dir) });
    }
    let found = usable(&from, data_dir);
    if found.is_empty() {
        let mut all = open::all(&from, RoleHints::remembered(data_dir)).into_iter();
        return Err(all.find_map(|model| model.opened.err()).unwrap_or_else(|| {
            Error::new(Kind::MissingModel, format!("No model found in the folder {}", from.display()))
                .field("model")
                .remedy("Give a diffusers folder, Wan's own folder, or ComfyUI's models folder")
        }));
    }
    let to = models.join(name_of(&from)?);
    linked(&from, &to, symbolic_link)?;
    Ok(ImportedModel { path: to, models: found })
}

/// The folder of single files that a checkpoint belongs to, by what its tensors are.
fn place_of(file: &Path) -> Result<&'static str> {
    let weights = Weights::from_files(&[file.to_path_buf()])?;
    let kinds: Vec<_> = recognise(&weights)?.into_iter().map(|found| found.kind).collect();
    // a file with all components lies with the transformers
    let transformer = kinds.iter().find(|kind| **kind == ComponentKind::Transformer);
    match transformer.or_else(|| kinds.first()) {
        Some(ComponentKind::Transformer) => Ok("diffusion_models"),
        Some(ComponentKind::TextEncoder) => Ok("text_encoders"),
        Some(ComponentKind::Vae) => Ok("vae"),
        None => {
            let what = resemblance(&weights);
            let message = format!("{} is not part of a Wan model. It seems to be {what}", file.display());
            Err(Error::new(Kind::Unsupported, message)
                .field("model")
                .remedy("Give a transformer, a UMT5 text encoder or a VAE"))
        }
    }
}

fn usable(folder: &Path, data_dir: &Path) -> Vec<String> {
    open::all(folder, RoleHints::remembered(data_dir))
        .into_iter()
        .filter(|model| model.opened.is_ok())
        .map(|model| model.id)
        .collect()
}

fn name_of(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().map(PathBuf::from);
    name.ok_or_else(|| Error::new(Kind::Input, "The folder has no name").remedy("Import a folder inside it"))
}

fn linked(from: &Path, to: &Path, link: fn(&Path, &Path) -> std::io::Result<()>) -> Result<()> {
    if std::fs::canonicalize(to).is_ok_and(|there| there == from) {
        return Ok(());
    }
    if to.symlink_metadata().is_ok() {
        return Err(Error::new(Kind::Input, format!("{} already exists", to.display()))
            .remedy("Rename the folder or the file, or remove the other model first"));
    }
    let made = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| link(from, to));
    made.map_err(|error| {
        Error::new(Kind::Io, format!("Cannot link {}", to.display()))
            .because(error)
            .remedy("Choose the folder in the settings instead (models.folder)")
    })
}
