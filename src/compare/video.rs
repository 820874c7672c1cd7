//! A finished video with what is known of how it was made.

use std::path::{Path, PathBuf};

use crate::core::{Draft, Error, Kind, Result, Secs, StepCacheRecord};
use crate::jobs::HistoryEntry;
use crate::library::{History, SavedRequest};
use crate::media::{Reader, VideoInfo};

/// A finished video to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedVideo {
    /// The file, or the folder of frames.
    pub path: PathBuf,
    /// Id of its entry in the history.
    pub id: Option<String>,
    /// The settings that made it, from the history or from the file itself.
    pub draft: Option<Draft>,
    /// Time from the start of validation to the checked file.
    pub generation_time: Option<Secs>,
    /// Time of the denoising steps.
    pub denoising_time: Option<Secs>,
    /// Peak memory in MiB, of the device or, on the CPU, of the process.
    pub peak_mb: Option<f64>,
    /// What the step cache saved.
    pub step_cache: Option<StepCacheRecord>,
    /// Size, length and rate.
    pub info: VideoInfo,
}

impl ComparedVideo {
    /// The video at a path, or of the history entry with an id or, as a number, of the newest job with that number.
    pub fn find(name: &str, history: &History) -> Result<Self> {
        let path = Path::new(name);
        if path.exists() {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            return Self::open(&path, history.of_output(&path)?.as_ref());
        }
        let entry = match name.trim_start_matches('#').parse() {
            Ok(job) => history.of_job(job)?,
            Err(_) => history.of_id(name)?,
        };
        let entry = entry.ok_or_else(|| {
            Error::new(Kind::Input, format!("{name} is neither a video nor a job of the history"))
                .field("video")
                .remedy("Give the path of a video, or an id that \"wandeck tasks --json\" prints")
        })?;
        Self::of_entry(&entry)
    }

    /// The video of a history entry. Fails if it made none or if it is not on disk any more.
    pub fn of_entry(entry: &HistoryEntry) -> Result<Self> {
        let output = entry.output.as_ref().ok_or_else(|| {
            Error::new(Kind::Input, format!("The job \"{}\" made no video", entry.prompt)).field("video")
        })?;
        Self::open(output, Some(entry))
    }

    fn open(path: &Path, entry: Option<&HistoryEntry>) -> Result<Self> {
        let info = *Reader::open(path)?.info();
        let draft = match entry.and_then(HistoryEntry::draft) {
            Some(draft) => Some(draft),
            // a file of another program has no settings
            None => SavedRequest::read(path).ok().flatten().map(|saved| saved.draft),
        };
        let steps = entry.map(|entry| entry.steps.iter().map(|step| step.0).sum()).filter(|sum| *sum > 0.0);
        Ok(Self {
            path: path.to_path_buf(),
            id: entry.map(|entry| entry.id.clone()),
            draft,
            generation_time: entry.and_then(|entry| entry.generation_time_s),
            denoising_time: steps.map(Secs),
            peak_mb: entry.and_then(HistoryEntry::peak_mb),
            step_cache: entry.and_then(|entry| entry.step_cache.clone()),
            info,
        })
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
