//! Tensors kept between jobs: the newest in memory, more in files of the data folder, both bounded.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ndarray::ArrayD;

use super::tensor_file::{read_tensors, write_tensors};
use crate::core::Bytes;
use crate::pipeline::TensorCache;

/// Memory that the newest tensors may take.
const IN_MEMORY: Bytes = Bytes(64 << 20);
/// Disk that all of them may take; a prompt of the largest text encoder has 8 MB at most.
const ON_DISK: Bytes = Bytes(1 << 30);
const EXTENSION: &str = "safetensors";
/// Name of the tensor in its file.
const TENSOR: &str = "value";

/// A folder of tensors, and those of them that were used last.
pub struct StoredTensors {
    dir: PathBuf,
    in_memory: u64,
    on_disk: u64,
    /// Last used first.
    recent: VecDeque<(String, ArrayD<f32>)>,
}

impl StoredTensors {
    /// The cache of a data folder. The folder is made when there is something to keep.
    pub fn new(data_dir: &Path) -> Self {
        Self::with_room(data_dir, ON_DISK)
    }

    /// Likewise, with so much room on the disk.
    pub fn with_room(data_dir: &Path, on_disk: Bytes) -> Self {
        Self::bounded(data_dir, IN_MEMORY, on_disk)
    }

    fn bounded(data_dir: &Path, in_memory: Bytes, on_disk: Bytes) -> Self {
        let dir = data_dir.join("cache").join("tensors");
        Self { dir, in_memory: in_memory.0, on_disk: on_disk.0, recent: VecDeque::new() }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(key).with_extension(EXTENSION)
    }

    fn remember(&mut self, key: &str, tensor: &ArrayD<f32>) {
        self.recent.retain(|(known, _)| known != key);
        self.recent.push_front((key.to_owned(), tensor.clone()));
        let mut sum = 0;
        self.recent.retain(|(_, tensor)| {
            sum += size(tensor);
            sum <= self.in_memory
        });
    }

    /// Removes the files that were used longest ago until the rest fits.
    fn make_room(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let (path, about) = {
                let entry = entry?;
                (entry.path(), entry.metadata()?)
            };
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
            }
        }
        files.sort();
        let mut sum: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if sum <= self.on_disk {
                break;
            }
            fs::remove_file(path)?;
            sum -= len;
        }
        Ok(())
    }

    fn write(&self, key: &str, tensor: &ArrayD<f32>) -> std::io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        write_tensors(&self.path(key), &[(TENSOR, tensor.view())], None)?;
        self.make_room()
    }
}

impl TensorCache for StoredTensors {
    fn get(&mut self, key: &str) -> Option<ArrayD<f32>> {
        if let Some((_, tensor)) = self.recent.iter().find(|(known, _)| known == key) {
            let tensor = tensor.clone();
            self.remember(key, &tensor);
            return Some(tensor);
        }
        let path = self.path(key);
        let found = match read_tensors(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            found => found.ok(),
        };
        let Some(tensor) = found.and_then(|(mut tensors, _)| tensors.remove(TENSOR)) else {
            tracing::warn!("{} is damaged and is made again", path.display());
            drop(fs::remove_file(&path));
            return None;
        };
        // what is used is kept longer
        if let Err(error) = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!("{}: {error}", path.display());
        }
        self.remember(key, &tensor);
        Some(tensor)
    }

    fn put(&mut self, key: &str, tensor: &ArrayD<f32>) {
        self.remember(key, tensor);
        if let Err(error) = self.write(key, tensor) {
            tracing::warn!("The cache {} cannot be written: {error}", self.dir.display());
        }
    }
}

fn size(tensor: &ArrayD<f32>) -> u64 {
    tensor.len() as u64 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(value: f32) -> ArrayD<f32> {
        ArrayD::from_elem(vec![2, 3], value)
    }

    #[test]
    fn what_is_kept_comes_back_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = StoredTensors::new(dir.path());
        assert_eq!(cache.get("a"), None);
        cache.put("a", &tensor(1.5));
        assert_eq!(cache.get("a"), Some(tensor(1.5)));
        assert_eq!(StoredTensors::new(dir.path()).get("a"), Some(tensor(1.5)));
    }

    #[test]
    fn a_damaged_file_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        StoredTensors::new(dir.path()).put("a", &tensor(1.0));
        let mut cache = StoredTensors::new(dir.path());
        fs::write(cache.path("a"), b"something else").unwrap();
        assert_eq!(cache.get("a"), None);
        assert!(!cache.path("a").exists());
    }

    #[test]
    fn both_bounds_hold_and_what_was_used_last_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut probe = StoredTensors::new(dir.path());
        probe.put("a", &tensor(0.0));
        let file = fs::metadata(probe.path("a")).unwrap().len();
        let mut cache = StoredTensors::bounded(dir.path(), Bytes(48), Bytes(2 * file));
        let age = |cache: &StoredTensors, key: &str, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::open(cache.path(key)).unwrap().set_modified(time).unwrap();
        };
        cache.put("b", &tensor(1.0));
        age(&cache, "a", 10);
        age(&cache, "b", 20);
        assert_eq!(cache.get("a"), Some(tensor(0.0)));
        cache.put("c", &tensor(2.0));
        assert_eq!(cache.recent.len(), 2);
        let mut later = StoredTensors::new(dir.path());
        assert_eq!(
            [later.get("a"), later.get("b"), later.get("c")],
            [Some(tensor(0.0)), None, Some(tensor(2.0))]
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cache"), b"a file where a folder should be").unwrap();
        let mut cache = StoredTensors::new(dir.path());
        cache.put("a", &tensor(1.0));
        assert_eq!(cache.get("a"), Some(tensor(1.0)));
    }
}
