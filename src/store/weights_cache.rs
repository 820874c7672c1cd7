//! The cache of repacked weights: large files, of which the least recently used go first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::core::{Bytes, Error, Kind, Result};
use crate::monitor::free_space;

/// Default limit of the cache: the int8 weights of an A14B model with its text encoder have 34 GiB.
const LIMIT: Bytes = Bytes(64 << 30);
/// Free disk space that repacking leaves.
const RESERVE: Bytes = Bytes(1 << 30);
/// Age at which an unfinished file was left by a program that died.
const ABANDONED: Duration = Duration::from_hours(1);
const EXTENSION: &str = "safetensors";
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
        let mut entries = self.entries();
        let mut sum: u64 = entries.iter().map(|entry| entry.size).sum();
        entries.retain(|entry| !used.contains(&entry.path.as_path()));
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

    /// All complete files. Those that were left unfinished by programs that died are removed.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for path in fs::read_dir(&self.dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
        {
            let Ok(about) = fs::metadata(&path) else { continue };
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let extension = path.extension().unwrap_or_default();
            if extension == "part" && modified.elapsed().is_ok_and(|age| age > ABANDONED) {
                drop(fs::remove_file(&path));
            } else if extension == EXTENSION {
                let used = fs::metadata(path.with_extension(USED)).and_then(|about| about.modified());
                entries.push(Entry { used: used.unwrap_or(modified), size: about.len(), path });
            }
        }
        entries
    }
}

/// Creates an empty file, or sets its time to now.
fn touch(path: &Path) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_files_make_room_and_those_in_use_stay() {
        let data = tempfile::tempdir().unwrap();
        let cache = WeightsCache { limit: Bytes(100), ..WeightsCache::new(Some(data.path())) };
        fs::create_dir_all(cache.dir()).unwrap();
        let path = |name: &str| cache.dir().join(name).with_extension(EXTENSION);
        let age = |path: &Path, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        };
        for (name, seconds) in [("a", 1), ("b", 2), ("c", 3)] {
            fs::write(path(name), [0; 30]).unwrap();
            age(&path(name), seconds);
        }
        let part = cache.dir().join("d.7.part");
        fs::write(&part, "half").unwrap();
        age(&part, 4);
        // the oldest was used just now, and keeps the time of its content
        cache.make_room(&[&path("a")], Bytes(0)).unwrap();
        let modified = fs::metadata(path("a")).unwrap().modified().unwrap();
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        cache.make_room(&[&path("c")], Bytes(40)).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| path(name).exists()), [true, false, true]);
        assert!(!part.exists(), "a file that was never finished");
        // what is in use stays, whatever is needed
        cache.make_room(&[&path("c")], Bytes(1000)).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| path(name).exists()), [false, false, true]);
        let error = cache.make_room(&[&path("c")], Bytes(u64::MAX)).unwrap_err();
        assert!(error.message.contains("Not enough disk space"), "{error}");
    }
}
