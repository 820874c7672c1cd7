//! What removing a model takes away, and what stays because other models use it.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalog::Installed;
use crate::core::{Bytes, Error, Kind, Result};

/// What removing a model takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The folder or the files that go.
    pub paths: Vec<PathBuf>,
    /// Disk space that they take.
    pub frees: Bytes,
    /// Files that stay because another model uses them.
    pub num_shared: usize,
}

impl Removal {
    /// Plans the removal of `model`; `all` are the models on this machine. Fails if its files are unknown.
    pub fn plan(model: &Installed, all: &[Installed]) -> Result<Self> {
        let others = || all.iter().filter(|other| other.path != model.path || other.id != model.id);
        let is_alone = others().all(|other| !other.path.starts_with(&model.path));
        let is_used = |file: &PathBuf| {
            let infos = others().filter_map(|other| other.info.as_ref());
            infos.flat_map(|info| &info.components).any(|part| part.files.contains(file))
        };
        let files: Vec<_> =
            model.info.iter().flat_map(|info| &info.components).flat_map(|part| part.files.clone()).collect();
        let num_shared = files.iter().filter(|file| is_used(file)).count();
        let has_own_folder = model.path.is_dir() && is_alone && num_shared == 0;
        let paths = if has_own_folder {
            vec![model.path.clone()]
        } else {
            let mut own: Vec<_> = files.into_iter().filter(|file| !is_used(file)).collect();
            own.sort();
            own.dedup();
            own
        };
        if paths.is_empty() {
            return Err(Error::new(Kind::Input, format!("{} has no files of its own to remove", model.id))
                .remedy("Remove its files in the file manager"));
        }
        let frees = Bytes(paths.iter().map(|path| size_of(path)).sum());
        Ok(Self { paths, frees, num_shared })
    }
}

/// Bytes of a file, or of a folder without what its links lead to.
fn size_of(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(std::result::Result::ok);
    entries.map(|entry| size_of(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_as_a_whole_and_shared_files_stay() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let dir = tempfile::tempdir().unwrap();
        let all = crate::models::installed(dir.path(), Some(&models));
        let toy = all.iter().find(|model| model.id == "toy-t2v-A14B").unwrap();
        let removal = Removal::plan(toy, &[]).unwrap();
        assert_eq!(removal.paths, std::slice::from_ref(&toy.path));
        assert!(removal.frees >= toy.info.as_ref().unwrap().size(), "{removal:?}");
        // another model of the same files
        let other = Installed { id: "other".into(), path: dir.path().to_path_buf(), ..toy.clone() };
        assert_eq!(Removal::plan(toy, &[toy.clone(), other]).unwrap_err().kind, Kind::Input);
    }
}
