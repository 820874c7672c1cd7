//! A cache of tensors between jobs: recent ones in memory, more in files of the data folder, both limited in size.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ndarray::ArrayD;

use super::staged::bound_folder;
use super::tensor_file::{TensorMetadata, read_tensors, write_tensors};
use super::whole_file::create_folder;
use crate::core::Bytes;
use crate::pipeline::{TensorCache, decides_video};

/// Memory limit.
const IN_MEMORY: Bytes = Bytes(64 << 20);
/// Default disk limit; the embeddings of one prompt take at most 8 MB with the largest text encoder.
const ON_DISK: Bytes = Bytes(1 << 30);
const EXTENSION: &str = "safetensors";
/// Name of the tensor in its file.
const TENSOR: &str = "value";

/// Cache of tensors in a folder, with the most recently used also in memory.
pub struct StoredTensors {
    dir: PathBuf,
    in_memory: u64,
    on_disk: u64,
    /// Most recently used first.
    recent: VecDeque<(String, ArrayD<f32>)>,
    /// What the current attempt may use and has found out.
    attempt: Attempt,
}

/// The use of the cache by one attempt at a job.
#[derive(Default)]
struct Attempt {
    /// Whether tensors that decide the video are computed again, and compared with those that were kept.
    recomputes: bool,
    decided_video: bool,
    was_wrong: bool,
    notes: Vec<String>,
}

impl StoredTensors {
    /// The cache of a data folder, up to 1 GiB. The cache's folder is created with the first tensor.
    pub fn new(data_dir: &Path) -> Self {
        Self::with_disk_limit(data_dir, ON_DISK)
    }

    /// The cache of a data folder with a limit on its disk space.
    pub fn with_disk_limit(data_dir: &Path, on_disk: Bytes) -> Self {
        Self::bounded(data_dir, IN_MEMORY, on_disk)
    }

    fn bounded(data_dir: &Path, in_memory: Bytes, on_disk: Bytes) -> Self {
        let dir = data_dir.join("cache").join("tensors");
        Self {
            dir,
            in_memory: in_memory.0,
            on_disk: on_disk.0,
            recent: VecDeque::new(),
            attempt: Attempt::default(),
        }
    }

    /// Begins an attempt; with `recomputes`, what decides the video is computed again.
    pub fn begin(&mut self, recomputes: bool) {
        self.attempt = Attempt { recomputes, ..Attempt::default() };
    }

    /// Whether a kept tensor was used in this attempt that decides its video.
    pub fn decided_video(&self) -> bool {
        self.attempt.decided_video
    }

    /// What was wrong with kept tensors in this attempt, a sentence each; returned once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.attempt.notes)
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

    fn write(&self, key: &str, tensor: &ArrayD<f32>) -> std::io::Result<()> {
        create_folder(&self.dir)?;
        write_tensors(&self.path(key), &[(TENSOR, tensor.view())], Some(TensorMetadata::new()))?;
        bound_folder(&self.dir, Bytes(self.on_disk))
    }
}

impl StoredTensors {
    /// The kept tensor of `key`; a damaged file is removed.
    fn read(&mut self, key: &str) -> Option<ArrayD<f32>> {
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
            let note =
                format!("Removed a damaged file from the cache; it is computed again: {}", path.display());
            tracing::warn!("{note}");
            self.attempt.notes.push(note);
            drop(fs::remove_file(&path));
            return None;
        };
        // the modification time is the time of last use
        if let Err(error) = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!("cannot set the modification time of {}: {error}", path.display());
        }
        self.remember(key, &tensor);
        Some(tensor)
    }
}

impl TensorCache for StoredTensors {
    fn get(&mut self, key: &str) -> Option<ArrayD<f32>> {
        let decides = decides_video(key);
        if decides && self.attempt.recomputes {
            return None;
        }
        let found = self.read(key);
        self.attempt.decided_video |= decides && found.is_some();
        found
    }

    fn contains(&self, key: &str) -> bool {
        self.recent.iter().any(|(known, _)| known == key) || self.path(key).exists()
    }

    fn put(&mut self, key: &str, tensor: &ArrayD<f32>) {
        if self.attempt.recomputes && decides_video(key) && self.read(key).is_some_and(|kept| kept != tensor)
        {
            let note = "A tensor of the cache was wrong and is replaced; denoising starts again";
            tracing::warn!("{note}");
            self.attempt.notes.push(note.to_owned());
            self.attempt.was_wrong = true;
        }
        self.remember(key, tensor);
        if let Err(error) = self.write(key, tensor) {
            tracing::warn!("Cannot write to the tensor cache: {error}: {}", self.dir.display());
        }
    }

    fn was_wrong(&self) -> bool {
        self.attempt.was_wrong
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
    fn a_cached_tensor_is_returned_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = StoredTensors::new(dir.path());
        assert_eq!(cache.get("a"), None);
        cache.put("a", &tensor(1.5));
        assert_eq!(cache.get("a"), Some(tensor(1.5)));
        assert_eq!(StoredTensors::new(dir.path()).get("a"), Some(tensor(1.5)));
    }

    #[test]
    fn a_damaged_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        StoredTensors::new(dir.path()).put("a", &tensor(1.0));
        let mut cache = StoredTensors::new(dir.path());
        fs::write(cache.path("a"), b"something else").unwrap();
        assert_eq!(cache.get("a"), None);
        assert!(!cache.path("a").exists());
        assert!(cache.take_notes()[0].contains("damaged file"), "it is said");
    }

    #[test]
    fn what_decides_the_video_is_computed_again_and_compared_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = StoredTensors::new(dir.path());
        cache.put("text-1", &tensor(1.0));
        cache.put("preview-1", &tensor(2.0));
        cache.begin(false);
        assert!(cache.get("preview-1").is_some() && !cache.decided_video());
        assert!(cache.get("text-1").is_some() && cache.decided_video());
        cache.begin(true);
        assert!(cache.get("text-1").is_none() && cache.get("preview-1").is_some() && !cache.decided_video());
        cache.put("text-1", &tensor(1.0));
        assert!(!cache.was_wrong() && cache.take_notes().is_empty());
        cache.put("text-1", &tensor(7.0));
        assert!(cache.was_wrong() && cache.take_notes()[0].contains("was wrong"));
        cache.begin(false);
        assert_eq!((cache.get("text-1"), cache.was_wrong()), (Some(tensor(7.0)), false));
    }

    #[test]
    fn both_limits_hold_and_recently_used_tensors_stay() {
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
    fn tensors_stay_in_memory_if_the_folder_is_not_writable() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cache"), b"a file where a folder should be").unwrap();
        let mut cache = StoredTensors::new(dir.path());
        cache.put("a", &tensor(1.0));
        assert_eq!(cache.get("a"), Some(tensor(1.0)));
    }
}
