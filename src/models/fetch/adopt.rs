//! Files that are on this machine already: found by name, size and content, and linked instead of fetched.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::core::Bytes;
use crate::transfers::{HubCaches, HubEnvironment, HubFile};

/// How many folders deep files are looked for.
const MAX_DEPTH: usize = 5;
/// Most entries of folders that are looked at.
const MAX_ENTRIES: usize = 50_000;
/// Smaller files are not worth looking for outside a hub cache.
const SMALLEST: Bytes = Bytes(1 << 20);

/// What is on this machine.
pub(super) struct OnThisMachine {
    caches: HubCaches,
    /// Files in the models' folders by name and size. The experts of a model may have both in common.
    files: BTreeMap<(String, u64), Vec<PathBuf>>,
}

impl OnThisMachine {
    /// Looks through the hub caches and `folders`.
    pub(super) fn look(environment: &HubEnvironment, folders: &[PathBuf]) -> Self {
        let mut found = Self { caches: HubCaches::new(environment), files: BTreeMap::new() };
        let mut left = MAX_ENTRIES;
        for folder in folders {
            found.walk(folder, 0, &mut left);
        }
        found
    }

    fn walk(&mut self, folder: &Path, depth: usize, left: &mut usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let path = entry.path();
            let Ok(data) = fs::metadata(&path) else { continue };
            if data.is_dir() && depth < MAX_DEPTH {
                self.walk(&path, depth + 1, left);
            } else if data.is_file() && data.len() >= SMALLEST.0 {
                let name = entry.file_name().to_string_lossy().into_owned();
                self.files.entry((name, data.len())).or_default().push(path);
            }
        }
    }

    /// A file that is likely `file`, elsewhere than at `to`. Its content has not been checked.
    pub(super) fn find(&self, repository: &str, file: &HubFile, to: &Path) -> Option<PathBuf> {
        let name = file.path.rsplit('/').next()?.to_owned();
        let in_folders = || {
            // without an id a file of the same name and size may be another one
            file.object.as_ref()?;
            let found = self.files.get(&(name, file.size.0))?.iter().filter(|found| *found != to);
            // the first of those whose folders are called most like the file's
            found.rev().max_by_key(|found| num_common(found, &file.path)).cloned()
        };
        self.caches.find(repository, file).filter(|found| found != to).or_else(in_folders)
    }
}

/// How many of the last parts of both paths are the same.
fn num_common(path: &Path, in_repository: &str) -> usize {
    let parts = path.components().rev().zip(Path::new(in_repository).components().rev());
    parts.take_while(|(one, other)| one == other).count()
}

/// Puts the file at `from` also at `to` without copying it: as a second name, or as a link across file systems.
pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let from = fs::canonicalize(from)?;
    fs::hard_link(&from, to).or_else(|error| symbolic_link(&from, to).map_err(|_ignored| error))
}

/// Makes a symbolic link to a file or a folder.
#[cfg(unix)]
pub(super) fn symbolic_link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

/// Makes a symbolic link to a file or a folder.
#[cfg(windows)]
pub(super) fn symbolic_link(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        std::os::windows::fs::symlink_dir(from, to)
    } else {
        std::os::windows::fs::symlink_file(from, to)
    }
}
