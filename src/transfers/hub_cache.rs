//! Files that other programs fetched into Hugging Face's cache.

use std::fs;
use std::path::{Path, PathBuf};

use super::hub::HubEnvironment;
use super::tree::HubFile;

/// The caches of Hugging Face's tools on this machine.
#[derive(Clone, Debug, Default)]
pub struct HubCaches {
    folders: Vec<PathBuf>,
}

impl HubCaches {
    /// The caches of an environment that are there.
    pub fn new(environment: &HubEnvironment) -> Self {
        let home = environment.home.as_ref().map(|home| home.join("hub"));
        let mut folders: Vec<_> = environment.cache.iter().cloned().chain(home).collect();
        folders.dedup();
        folders.retain(|folder| folder.is_dir());
        Self { folders }
    }

    /// The folders of the cached repositories of models.
    pub fn repositories(&self) -> Vec<PathBuf> {
        let entries = self.folders.iter().filter_map(|cache| fs::read_dir(cache).ok()).flatten();
        let is_model = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("models--"))
                && path.is_dir()
        };
        let mut found: Vec<_> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_model).collect();
        found.sort();
        found
    }

    /// The cached blob of a file of a repository, if it has the right size. Its content has not been checked.
    pub fn find(&self, repository: &str, file: &HubFile) -> Option<PathBuf> {
        let name = format!("models--{}", repository.replace('/', "--"));
        self.folders.iter().find_map(|cache| find_in(&cache.join(&name), file))
    }
}

fn find_in(repository: &Path, file: &HubFile) -> Option<PathBuf> {
    let has_size = |path: &PathBuf| fs::metadata(path).is_ok_and(|data| data.len() == file.size.0);
    if let Some(id) = &file.object {
        return Some(repository.join("blobs").join(id.digits())).filter(has_size);
    }
    // no id: by the name in any snapshot
    let snapshots = fs::read_dir(repository.join("snapshots")).ok()?;
    let mut paths = snapshots.filter_map(|entry| Some(entry.ok()?.path().join(&file.path)));
    paths.find(has_size).and_then(|path| fs::canonicalize(path).ok())
}
