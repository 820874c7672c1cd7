//! What removing a model takes away, and what stays because other models use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::Serialize;

use super::catalog::Installed;
use super::fetch::{RECORD_FILE, is_unfinished};
use super::names::repository;
use super::{diffusers, exported};
use crate::core::{Bytes, Error, Kind, Result};

/// How many folders below a folder of single files its links are.
const LINK_DEPTH: usize = 3;

/// What removing a model takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The folder or the files that go.
    pub paths: Vec<PathBuf>,
    /// Disk space that they take.
    pub frees: Bytes,
    /// Where the model's files stay, if only a link to them goes.
    pub stays_at: Option<PathBuf>,
    /// Files that stay because other models use them.
    pub shared: Vec<KeptFile>,
}

/// A file that several models use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptFile {
    /// The file.
    pub path: PathBuf,
    /// Ids of the other models that use it.
    pub used_by: Vec<String>,
}

impl fmt::Display for KeptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stays, used by {}", self.path.display(), self.used_by.join(", "))
    }
}

impl Removal {
    /// Plans the removal of `model`; `all` are the models on this machine. Fails if its files are unknown.
    pub fn plan(model: &Installed, all: &[Installed]) -> Result<Self> {
        let others = || all.iter().filter(|other| other.path != model.path || other.id != model.id);
        let is_alone = others().all(|other| !other.path.starts_with(&model.path));
        let users = |file: &PathBuf| -> Vec<String> {
            let uses = |other: &&Installed| {
                let parts = other.info.iter().flat_map(|info| &info.components);
                parts.flat_map(|part| &part.files).any(|used| used == file)
            };
            others().filter(uses).map(|other| other.id.clone()).collect()
        };
        let is_used = |file: &PathBuf| !users(file).is_empty();
        let mut files: Vec<_> =
            model.info.iter().flat_map(|info| &info.components).flat_map(|part| part.files.clone()).collect();
        files.sort();
        // one file may hold several components
        files.dedup();
        let shared = files.iter().map(|file| KeptFile { path: file.clone(), used_by: users(file) });
        let shared: Vec<_> = shared.filter(|file| !file.used_by.is_empty()).collect();
        // what is used and only linked here stays where it is
        let real = fs::canonicalize(&model.path).unwrap_or_else(|_| model.path.clone());
        let lends = files.iter().any(|file| is_used(file) && file.starts_with(&real));
        let is_link = model.path.is_symlink();
        let is_known = model.limits.is_ok() || is_link || is_folder_of_a_model(&model.path);
        let has_own_folder = model.path.is_dir() && is_alone && (!lends || is_link) && is_known;
        let folder = model.folder();
        let is_linked = !model.path.exists() && folder.is_symlink();
        if is_linked && others().any(|other| other.path.starts_with(folder)) {
            return Err(imported_with_others(model, folder));
        }
        let paths = if has_own_folder {
            vec![model.path.clone()]
        } else if is_linked {
            vec![folder.to_path_buf()]
        } else {
            let links = links_in(folder, LINK_DEPTH);
            let own = files.into_iter().filter(|file| !is_used(file));
            own.map(|file| links.get(&file).cloned().unwrap_or(file)).collect()
        };
        if paths.is_empty() && !is_known {
            return Err(Error::new(
                Kind::Input,
                format!(
                    "{} cannot be opened, so nothing says which files in {} are its own",
                    model.id,
                    model.path.display()
                ),
            )
            .remedy("Remove its files in the file manager"));
        }
        if paths.is_empty() {
            let mut users: Vec<_> = shared.into_iter().flat_map(|file| file.used_by).collect();
            users.sort();
            users.dedup();
            let why = match users.as_slice() {
                [] => String::new(),
                users => format!(": they are used by {}", users.join(", ")),
            };
            return Err(Error::new(
                Kind::Input,
                format!("{} has no files of its own to remove{why}", model.id),
            )
            .remedy("Remove its files in the file manager"));
        }
        let stays_at = match (is_linked, has_own_folder && is_link) {
            (true, _) => fs::canonicalize(folder).ok(),
            (false, is_link) => Some(real).filter(|_| is_link),
        };
        let frees = freed(&paths);
        Ok(Self { paths, frees, stays_at, shared })
    }
}

/// The error for a model of single files in a folder that was imported with other models.
fn imported_with_others(model: &Installed, link: &Path) -> Error {
    let real = fs::canonicalize(link).unwrap_or_else(|_| link.to_path_buf());
    Error::new(
        Kind::Input,
        format!(
            "{} lies with other models in {}, which was imported as {}",
            model.id,
            real.display(),
            link.display()
        ),
    )
    .remedy("Remove its files in the file manager, or the link, which takes all models of the folder off the list")
}

/// The links to files elsewhere in `folder` and so many folders below it, by the file that each leads to.
fn links_in(folder: &Path, deeper: usize) -> BTreeMap<PathBuf, PathBuf> {
    let (mut links, real) = (BTreeMap::new(), fs::canonicalize(folder).ok());
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(std::result::Result::ok);
    for path in entries.map(|entry| entry.path()) {
        if path.is_symlink() {
            let target = fs::canonicalize(&path).ok().filter(|target| target.is_file());
            let is_elsewhere = |target: &PathBuf| real.as_ref().is_none_or(|real| !target.starts_with(real));
            links.extend(target.filter(is_elsewhere).map(|target| (target, path)));
        } else if path.is_dir() && deeper > 0 {
            links.extend(links_in(&path, deeper - 1));
        }
    }
    links
}

/// Whether a folder has nothing but one model, even if that cannot be opened: diffusers', an exported, a cached or a
/// fetched one. A folder of single files may be another program's, with files of other models.
fn is_folder_of_a_model(dir: &Path) -> bool {
    diffusers::is_one(dir)
        || exported::is_one(dir)
        || repository(dir).is_some()
        || is_unfinished(dir)
        || dir.join(RECORD_FILE).is_file()
}

/// A file by its place on the disk, with its number of names, the names that go, and its size.
type Names = BTreeMap<(u64, u64), (u64, u64, u64)>;

/// Bytes that the disk gets back: files whose last name goes. What links lead to stays.
fn freed(paths: &[PathBuf]) -> Bytes {
    let (mut names, mut bytes) = (Names::new(), 0);
    for path in paths {
        bytes += count(path, &mut names);
    }
    let gone = names.values().filter(|(of, going, _)| going >= of);
    Bytes(bytes + gone.map(|(_, _, size)| size).sum::<u64>())
}

/// Notes the files with several names below `path`; returns the bytes of those with one.
fn count(path: &Path, names: &mut Names) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if meta.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().filter_map(std::result::Result::ok);
        return entries.map(|entry| count(&entry.path(), names)).sum();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if meta.nlink() > 1 {
            let known =
                names.entry((meta.dev(), meta.ino())).or_insert_with(|| (meta.nlink(), 0, meta.len()));
            known.1 += 1;
            return 0;
        }
    }
    meta.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_model_never_takes_the_folder_of_another_program_along() {
        let dir = tempfile::tempdir().unwrap();
        let comfy = dir.path().join("models/ComfyUI");
        for folder in ["diffusion_models", "checkpoints", "loras"] {
            fs::create_dir_all(comfy.join(folder)).unwrap();
        }
        fs::write(comfy.join("diffusion_models/wan2.2_t2v_high_noise_14B.safetensors"), "torn").unwrap();
        fs::write(comfy.join("checkpoints/flux.safetensors"), "of another program").unwrap();
        let broken = |path: &Path| {
            let all = crate::models::installed(dir.path(), None);
            all.into_iter().find(|model| model.path == path).unwrap()
        };
        let error = Removal::plan(&broken(&comfy), &[]).unwrap_err();
        assert!(error.message.contains("nothing says which files"), "{error:#}");
        // a folder of one model goes, whole or not
        let own = dir.path().join("models/mine");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("model_index.json"), "{}").unwrap();
        assert_eq!(Removal::plan(&broken(&own), &[]).unwrap().paths, [own]);
    }

    #[test]
    fn a_folder_goes_as_a_whole_and_shared_files_stay() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let dir = tempfile::tempdir().unwrap();
        let all = crate::models::installed(dir.path(), Some(&models));
        let toy = all.iter().find(|model| model.id == "toy-t2v-A14B").unwrap();
        let removal = Removal::plan(toy, &[]).unwrap();
        assert_eq!(removal.paths, std::slice::from_ref(&toy.path));
        assert!(removal.frees >= toy.info.as_ref().unwrap().size(), "{removal:?}");
        assert_eq!(removal.stays_at, None);
        #[cfg(unix)]
        {
            let link = Installed { path: dir.path().join("link"), ..toy.clone() };
            std::os::unix::fs::symlink(&toy.path, &link.path).unwrap();
            let removal = Removal::plan(&link, &[]).unwrap();
            assert_eq!((removal.paths, removal.stays_at), (vec![link.path], Some(toy.path.clone())));
        }
        // another model of the same files
        let mut other = Installed { id: "other".into(), path: dir.path().to_path_buf(), ..toy.clone() };
        let error = Removal::plan(toy, &[toy.clone(), other.clone()]).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        assert!(error.message.contains("used by other"), "{error:#}");
        // of one file
        other.info.as_mut().unwrap().components.retain(|part| part.role == "vae");
        let removal = Removal::plan(toy, &[toy.clone(), other]).unwrap();
        let vae = toy.path.join("vae/diffusion_pytorch_model.safetensors");
        assert_eq!(removal.shared, [KeptFile { path: vae.clone(), used_by: vec!["other".into()] }]);
        assert!(removal.paths.len() == 3 && !removal.paths.contains(&vae), "{removal:?}");
    }
}
