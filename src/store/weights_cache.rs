//! The cache of repacked weights: large files, of which the least recently used go first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::staged::{is_staged, stage_in, sweep_staged};
use super::whole_file::create_folder;
use crate::core::{Bytes, Error, Kind, Result};
use crate::monitor::free_space;

/// Default limit of the cache: the int8 weights of an A14B model with its text encoder have 34 GiB.
const LIMIT: Bytes = Bytes(64 << 30);
/// Free disk space that repacking leaves.
const RESERVE: Bytes = Bytes(1 << 30);
/// Extension of the empty file whose time is that of the last use. The weights keep their own time, which identifies them
/// while they are in use.
const USED: &str = "used";

/// Repacked weights in the data folder.
pub struct WeightsCache {
    dir: PathBuf,
    limit: Bytes,
}

/// A file of the cache.
struct Entry {
    used: SystemTime,
    size: u64,
    path: PathBuf,
}

impl WeightsCache {
    /// The cache of a data folder; without one, a folder for temporary files. It is created with its first file.
    pub fn new(data_dir: Option<&Path>) -> Self {
        let dir = data_dir.map_or_else(
            || std::env::temp_dir().join(concat!(env!("CARGO_PKG_NAME"), "-weights")),
            |data_dir| data_dir.join("cache").join("weights"),
        );
        Self { dir, limit: LIMIT }
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Creates a file of the cache under a temporary name, locked as long as it is open.
    pub fn stage(&self) -> io::Result<NamedTempFile> {
        create_folder(&self.dir)?;
        stage_in(&self.dir, "")
    }

    /// Marks `used` as used now, and removes other files until `needed` more bytes fit into the limit and the disk.
    ///
    /// Fails with [`Kind::Io`] if the disk has too little space even then.
    pub fn make_room(&self, used: &[&Path], needed: Bytes) -> Result<()> {
        for path in used.iter().filter(|path| path.exists()) {
            if let Err(error) = touch(&path.with_extension(USED)) {
                tracing::debug!("cannot mark {} as used: {error}", path.display());
            }
        }
        if needed == Bytes(0) {
            return Ok(());
        }
        sweep_staged(&self.dir);
        let mut entries = self.entries();
        let mut sum: u64 = entries.iter().map(|entry| entry.size).sum();
        // what another program writes counts, and stays
        entries.retain(|entry| !used.contains(&entry.path.as_path()) && !is_staged(&entry.path));
        entries.sort_by_key(|entry| entry.used);
        let short = || {
            let free = free_space(self.existing_dir())?;
            (free.0 < needed.0.saturating_add(RESERVE.0)).then_some(free)
        };
        for entry in entries {
            if sum.saturating_add(needed.0) <= self.limit.0 && short().is_none() {
                break;
            }
            tracing::info!("Removes repacked weights to make room: {}", entry.path.display());
            drop(fs::remove_file(entry.path.with_extension(USED)));
            match fs::remove_file(&entry.path) {
                Ok(()) => sum -= entry.size,
                // another program may hold it open
                Err(error) => tracing::debug!("cannot remove {}: {error}", entry.path.display()),
            }
        }
        match short() {
            None => Ok(()),
            Some(free) => Err(Error::new(
                Kind::Io,
                format!(
                    "Not enough disk space for the repacked weights: {needed} needed, {free} free in {}",
                    self.dir.display()
                ),
            )
            .remedy("Free disk space, or choose a data folder on another disk with --data-dir")),
        }
    }

    /// Its folder, or the nearest folder above that exists.
    fn existing_dir(&self) -> &Path {
        self.dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(&self.dir)
    }

    /// All files of weights, also those of earlier versions.
    fn entries(&self) -> Vec<Entry> {
        let paths =
            fs::read_dir(&self.dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let weights = paths.filter(|path| path.extension().is_none_or(|extension| extension != USED));
        let entry = |path: PathBuf| {
            let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            let used = fs::metadata(path.with_extension(USED)).and_then(|used| used.modified());
            let used = used.or_else(|_| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            Some(Entry { used, size: about.len(), path })
        };
        weights.filter_map(entry).collect()
    }
}

/// Creates an empty file, or sets its time to now.
fn touch(path: &Path) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_least_recently_used_files_make_room_and_those_in_use_stay() {
        let data = tempfile::tempdir().unwrap();
        let cache = WeightsCache { limit: Bytes(100), ..WeightsCache::new(Some(data.path())) };
        fs::create_dir_all(cache.dir()).unwrap();
        let path = |name: &str| cache.dir().join(name).with_extension("safetensors");
        let age = |path: &Path, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        };
        for (name, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
            fs::write(path(name), [0; 30]).unwrap();
            age(&path(name), seconds);
        }
        // as earlier versions wrote it
        let part = cache.dir().join(".tmpd7.part");
        fs::write(&part, "half").unwrap();
        age(&part, 4);
        let (written, killed) = (cache.stage().unwrap(), cache.stage().unwrap());
        let written_path = written.path().to_path_buf();
        let (killed_file, killed_path) = killed.keep().unwrap();
        drop(killed_file);
        for path in [&written_path, &killed_path] {
            age(path, 5);
        }
        // the oldest was used just now, and keeps the time of its content
        cache.make_room(&[&path("a")], Bytes(0)).unwrap();
        let modified = fs::metadata(path("a")).unwrap().modified().unwrap();
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        cache.make_room(&[&path("c")], Bytes(40)).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| path(name).exists()), [true, false, true]);
        assert!(!part.exists(), "a file that was never finished");
        assert!(written_path.exists() && !killed_path.exists(), "only a living program's file stays");
        // what is in use stays, whatever is needed
        cache.make_room(&[&path("c")], Bytes(1000)).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| path(name).exists()), [false, false, true]);
        assert!(written_path.exists());
        let error = cache.make_room(&[&path("c")], Bytes(u64::MAX)).unwrap_err();
        assert!(error.message.contains("Not enough disk space"), "{error}");
    }
}
