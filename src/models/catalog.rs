//! Finds models: a folder given by path, or by name in the folders where models are kept.

use std::env;
use std::path::{Path, PathBuf};

use super::cached_repository::holds_wan;
use super::content::content_of_model;
use super::fetch::{is_unfinished, missing};
use super::hints::RoleHints;
use super::info::ModelInfo;
use super::manifest::{ItemKind, Manifest, Selection, load_manifest};
use super::misplaced::lora_folder;
use super::names::{is_variant, is_version, official_name, split_version};
use super::open::{self, Listed, Opened};
use super::{OtherFile, convert, diffusers, folder};
use crate::core::{ComponentFiles, Error, Kind, Limits, Result};
use crate::transfers::{HubCaches, HubEnvironment};
use crate::wan::Family;

/// Environment variable with the folder where models are kept.
pub const MODELS_ROOT_VARIABLE: &str = "MODELS_ROOT";
/// How many folders above the program a checkout's `models` folder is looked for (`target/release/deps`).
const ANCESTORS: usize = 4;

/// A model that was found, complete or not.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its id, which does not depend on the other models.
    pub id: String,
    /// Other names that find it: ids of earlier versions, the official name, the name of its folder.
    pub names: Vec<String>,
    /// The path to give to [`super::open`]: the model's folder, with the id appended if it is made of single files.
    pub path: PathBuf,
    /// What requests the model accepts, or the error that opening it gave.
    pub limits: Result<Limits>,
    /// Which of Wan's official models it is.
    pub family: Option<Family>,
    /// Its files and components, if it could be opened.
    pub info: Option<ModelInfo>,
    /// What identifies its content, whatever its files are called; `None` if it was not looked at.
    pub content: Option<String>,
}

impl Installed {
    /// The folder on the disk that its files are in; [`Self::path`] of a model of single files is no path of a file
    /// manager.
    pub fn folder(&self) -> &Path {
        let exists = self.path.ancestors().find(|path| path.exists());
        exists.unwrap_or(&self.path)
    }

    /// The model that opening `path` gave.
    pub fn new(id: String, path: PathBuf, opened: Result<Opened>) -> Self {
        match opened {
            Ok(Opened { checkpoint, info }) => {
                let (limits, family) = (Ok(checkpoint.limits()), checkpoint.family());
                let names = checkpoint.official_name().map(str::to_owned).filter(|name| *name != id);
                let names = names.into_iter().collect();
                Self { id, names, path, limits, family, info: Some(info), content: None }
            }
            Err(error) => Self {
                id,
                names: Vec::new(),
                path,
                limits: Err(error),
                family: None,
                info: None,
                content: None,
            },
        }
    }

    /// Whether `name` is its id or another of its names, with or without a version.
    pub fn is_called(&self, name: &str) -> bool {
        self.has_name(name) || {
            let (base, version) = split_version(name);
            version.is_some_and(|version| is_version(version) && self.is_official()) && self.has_name(&base)
        }
    }

    /// Whether it is the model `model` or a variant of it.
    pub fn is_variant_of(&self, model: &str) -> bool {
        is_variant(&self.id, model) || self.names.iter().any(|name| name == model)
    }

    fn has_name(&self, name: &str) -> bool {
        self.id == name || self.names.iter().any(|other| other == name)
    }

    fn is_official(&self) -> bool {
        self.family.is_some() || official_name(&self.id).is_some()
    }

    /// Whether both are one model: one path or one content, or folders of one name.
    fn is_same(&self, other: &Self) -> bool {
        let real = |model: &Self| model.path.canonicalize().ok();
        let is_loose = |model: &Self| model.info.as_ref().is_some_and(|info| info.layout.is_of_files());
        (self.content.is_some() && self.content == other.content)
            || (self.path == other.path || real(self).is_some_and(|path| real(other) == Some(path)))
            || (self.id == other.id && !(is_loose(self) && is_loose(other)))
    }

    /// Takes over the names of a copy.
    fn merge(&mut self, copy: Self) {
        for name in std::iter::once(copy.id).chain(copy.names) {
            if !self.has_name(&name) {
                self.names.push(name);
            }
        }
    }
}

/// All models in the folders where models are kept and in Hugging Face's cache, sorted by name; a model that is there
/// twice is listed once. Of two folders with one name, the first found wins.
pub fn installed(data_dir: &Path, models_dir: Option<&Path>) -> Vec<Installed> {
    installed_with(data_dir, models_dir, &ComponentFiles::default())
}

/// All models like [`installed`], with `files` for their components.
pub fn installed_with(data_dir: &Path, models_dir: Option<&Path>, files: &ComponentFiles) -> Vec<Installed> {
    let hints = RoleHints::new(Some(data_dir), files);
    let mut found: Vec<Installed> = Vec::new();
    let places = places(data_dir, models_dir);
    let in_places = places.iter().flat_map(|place| in_place(place, hints));
    for mut model in in_places.chain(in_hub_caches(&HubEnvironment::from_process(), hints)) {
        if let Some(known) = found.iter_mut().find(|known| known.is_same(&model)) {
            known.merge(model);
            continue;
        }
        if let (true, Some(content)) = (found.iter().any(|known| known.id == model.id), &model.content) {
            model.id = format!("{}~{}", model.id, &content[..6]);
        }
        found.push(model);
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// The models in one folder.
fn in_place(place: &Path, hints: RoleHints<'_>) -> Vec<Installed> {
    let folders = folders_in(place).into_iter();
    folders
        .flat_map(|(folder, holds_files)| {
            let mut models =
                if holds_files { folder::models(&folder, hints) } else { open::all(&folder, hints) };
            if folder::is_lora_folder(&folder) {
                // a broken LoRA is no model; what is wrong with it stands beside it among the LoRAs
                models.retain(|model| model.opened.is_ok());
            }
            in_folder(&folder, models)
        })
        .collect()
}

/// The models of Wan in the caches of Hugging Face's tools, where models of other kinds lie, too.
fn in_hub_caches(environment: &HubEnvironment, hints: RoleHints<'_>) -> Vec<Installed> {
    let repositories = HubCaches::new(environment).repositories().into_iter();
    let of_wan = repositories.filter(|folder| holds_wan(folder));
    of_wan.flat_map(|folder| in_folder(&folder, open::all(&folder, hints))).collect()
}

/// The folders of models in `place`, each with whether it is read as a folder of files: the subfolders, or `place` itself
/// if it is ComfyUI's `models` folder or holds checkpoints.
fn folders_in(place: &Path) -> Vec<(PathBuf, bool)> {
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    let is_folder_of_files = entries.iter().any(|path| folder::is_checkpoint(path))
        || ["diffusion_models", "unet"].iter().any(|name| place.join(name).is_dir());
    let own = is_folder_of_files.then(|| (place.to_path_buf(), true));
    let is_one = |path: &PathBuf| {
        path.is_dir() && (diffusers::is_one(path) || !is_folder_of_files) && !convert::is_unfinished(path)
    };
    own.into_iter().chain(entries.into_iter().filter(is_one).map(|path| (path, false))).collect()
}

/// The conversions in `place` that have not come to their end.
fn unfinished_conversions(place: &Path) -> Vec<OtherFile> {
    let entries = std::fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
    let unfinished = entries.map(|entry| entry.path()).filter(|path| convert::is_unfinished(path));
    let other = |path: PathBuf| OtherFile {
        id: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        seems_to_be: Some("a model that is being converted".to_owned()),
        error: Error::new(Kind::MissingModel, format!("The conversion is not finished: {}", path.display()))
            .remedy("Convert the model again: it goes on from the last complete file. Or delete the folder"),
        belongs_at: None,
        path,
    };
    unfinished.map(other).collect()
}

/// The checkpoint files in the folders of models that are part of none of the `installed` models, and say so in no error
/// of theirs, and the conversions that are not finished.
pub fn other_files(data_dir: &Path, models_dir: Option<&Path>, installed: &[Installed]) -> Vec<OtherFile> {
    let folders = places(data_dir, models_dir).into_iter().flat_map(|place| folders_in(&place));
    let of_files = folders.filter(|(path, _)| !diffusers::is_one(path)).map(|(path, _)| path);
    let mut others: Vec<_> = of_files.flat_map(|folder| folder::other_files(&folder)).collect();
    let is_said = |other: &OtherFile| {
        let errors = installed.iter().filter_map(|model| model.limits.as_ref().err());
        errors.into_iter().any(|error| error.message == other.error.message)
    };
    others.retain(|other| !is_said(other));
    others.extend(places(data_dir, models_dir).iter().flat_map(|place| unfinished_conversions(place)));
    others.sort_by(|a, b| a.path.cmp(&b.path));
    others.dedup_by(|a, b| a.path == b.path);
    for other in others.iter_mut().filter(|other| other.is_lora()) {
        other.belongs_at = Some(lora_folder(&other.path, data_dir, models_dir).join(&other.id));
    }
    others
}

fn in_folder(dir: &Path, models: Vec<Listed>) -> Vec<Installed> {
    let model = |Listed { id, names, opened }: Listed| {
        let is_of_files = opened.as_ref().is_ok_and(|opened| opened.info.layout.is_of_files());
        let path = if is_of_files { dir.join(&id) } else { dir.to_path_buf() };
        let content = opened.as_ref().ok().and_then(|opened| content_of_model(&opened.checkpoint));
        let mut model = Installed { content, ..Installed::new(id, path, opened) };
        for name in names {
            if !model.has_name(&name) {
                model.names.push(name);
            }
        }
        model
    };
    models.into_iter().map(model).collect()
}

/// The path to give to [`super::open`] for the model `id`, which may itself be a path.
///
/// # Errors
///
/// [`Kind::MissingModel`], with a fix if it can be fetched or an interrupted fetch of it can go on.
pub fn find(id: &str, data_dir: &Path, models_dir: Option<&Path>) -> Result<PathBuf> {
    let direct = Path::new(id);
    let is_name = direct.components().count() == 1;
    let places = places(data_dir, models_dir);
    if !diffusers::is_one(direct)
        && is_name
        && let Some(path) = places.iter().map(|place| place.join(id)).find(|path| diffusers::is_one(path))
    {
        return check_finished(&path, data_dir).map(|()| path);
    }
    let parent_is_there = !is_name && direct.parent().is_some_and(Path::is_dir);
    if direct.exists() || parent_is_there {
        return std::path::absolute(direct)
            .map_err(|error| Error::new(Kind::Io, format!("Cannot use the folder {id}")).because(error));
    }
    let installed = installed(data_dir, models_dir);
    if let Some(model) = called(id, &installed) {
        if model.limits.is_err() {
            check_finished(&model.path, data_dir)?;
        }
        return Ok(model.path.clone());
    }
    if let Some(path) = places.iter().map(|place| place.join(id)).find(|path| is_name && path.is_dir()) {
        return check_finished(&path, data_dir).map(|()| path);
    }
    let manifest = load_manifest(data_dir)?;
    let selection = manifest.select(id, None).ok().filter(|found| found.item.kind == ItemKind::Model);
    if let Some(path) = selection.as_ref().and_then(|selection| fetched(selection, &manifest, data_dir)) {
        return check_finished(&path, data_dir).map(|()| path);
    }
    Err(selection.map_or_else(|| not_found(id, &installed), |selection| missing(&selection)))
}

/// The folder in the data folder that holds the model of a manifest: the selected variant, else another one of it.
fn fetched(selection: &Selection<'_>, manifest: &Manifest, data_dir: &Path) -> Option<PathBuf> {
    let own = std::iter::once(selection.folder_name());
    let others = manifest.selections().into_iter().filter(|other| std::ptr::eq(other.item, selection.item));
    let names = own.chain(others.map(|other| other.folder_name()).collect::<Vec<_>>());
    names.map(|name| data_dir.join("models").join(name)).find(|path| path.is_dir())
}

/// Fails with the fix to fetch it if `path` is the folder of a model whose fetch was interrupted, and cannot be opened.
fn check_finished(path: &Path, data_dir: &Path) -> Result<()> {
    if !is_unfinished(path) || open::inspect_with(path, RoleHints::remembered(data_dir)).is_ok() {
        return Ok(());
    }
    let manifest = load_manifest(data_dir)?;
    let selections = manifest.selections();
    let mut models = selections.iter().filter(|selection| selection.item.kind == ItemKind::Model);
    let here = models.find(|selection| data_dir.join("models").join(selection.folder_name()) == path);
    here.map_or(Ok(()), |selection| Err(missing(selection)))
}

/// The model called `name`: by its id, else the most exact usable one with that name, else any.
pub fn called<'a>(name: &str, models: &'a [Installed]) -> Option<&'a Installed> {
    // a hub does not distinguish the case of its repositories
    let is_repository = name.contains('/');
    let by_id = models
        .iter()
        .find(|model| model.id == name)
        .or_else(|| models.iter().find(|model| is_repository && model.id.eq_ignore_ascii_case(name)));
    let named = || models.iter().filter(|model| model.is_called(name));
    let best = || {
        named()
            .filter(|model| model.limits.is_ok())
            .min_by_key(|model| model.info.as_ref().map(ModelInfo::exactness))
    };
    by_id.or_else(best).or_else(|| named().next())
}

/// The error for a model that is not on this machine.
fn not_found(id: &str, installed: &[Installed]) -> Error {
    let missing = Error::new(Kind::MissingModel, format!("Model \"{id}\" not found")).field("model");
    let (base, version) = split_version(id);
    if let Some(model) = version.and_then(|_| called(&base, installed)) {
        return missing
            .remedy(format!("{} is here, but not in that version; leave the version out", model.id));
    }
    let usable = installed.iter().filter(|model| model.limits.is_ok());
    let names: Vec<_> = usable.map(|model| model.id.as_str()).collect();
    missing.remedy(if names.is_empty() {
        "No models were found. Give the path of a model's folder, or set MODELS_ROOT".to_owned()
    } else {
        format!(
            "Available models: {}. Use one of these, or give the path of a model's folder",
            names.join(", ")
        )
    })
}

/// Folders to search: the caller's, `MODELS_ROOT`, the data folder's `models`, and `models` beside and above the program.
pub(super) fn places(data_dir: &Path, models_dir: Option<&Path>) -> Vec<PathBuf> {
    let named = models_dir.map(Path::to_path_buf);
    let root = env::var_os(MODELS_ROOT_VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from);
    let mut places: Vec<_> = named.into_iter().chain(root).chain([data_dir.join("models")]).collect();
    if let Ok(program) = env::current_exe() {
        places.extend(program.ancestors().skip(1).take(ANCESTORS).map(|dir| dir.join("models")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_lora_makes_no_model_of_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["loras", "mixed"] {
            let folder = dir.path().join("models").join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("torn.safetensors"), "version https://git-lfs").unwrap();
        }
        let found = installed(dir.path(), None);
        let in_data: Vec<_> = found.iter().filter(|model| model.path.starts_with(dir.path())).collect();
        let ids: Vec<_> = in_data.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["mixed"], "the LoRA is listed with its problem among the LoRAs");
        let others = other_files(dir.path(), None, &found);
        assert!(others.iter().all(|other| !other.path.to_string_lossy().contains("loras")));
    }
}
