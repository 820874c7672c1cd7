//! What the sweeps read from the data folder, on a thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::attempt::saved_preview;
use crate::core::{Frame, Result};
use crate::jobs::{HistoryEntry, JobSpec};
use crate::library::{History, Ratings};

/// What the saved state of a draft shows; a cell without it stays empty.
pub(super) fn draft_preview(data_dir: &Path, spec: &JobSpec, uid: &str) -> Option<Vec<Frame>> {
    saved_preview(data_dir, spec, uid).unwrap_or_else(|error| {
        tracing::warn!("No preview of a draft: {error:#}");
        None
    })
}

/// A folder for an export beside the videos that does not exist yet.
pub(super) fn free_folder(videos: &Path) -> PathBuf {
    let name = videos.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = |number: u32| videos.with_file_name(format!("{name}-page-{number}"));
    (1..u32::MAX).map(numbered).find(|folder| !folder.exists()).unwrap_or_else(|| numbered(0))
}

/// The ended jobs of a sweep, and the stars of those that have some.
pub(super) fn read_entries(data_dir: &Path, id: &str) -> Result<(Vec<HistoryEntry>, BTreeMap<String, u8>)> {
    if !History::path_in(data_dir).exists() {
        return Ok((Vec::new(), BTreeMap::new()));
    }
    let (history, _) = History::open(data_dir)?;
    let (entries, ratings) = (history.of_group(id)?, Ratings::load(data_dir)?);
    let stars = entries.iter().map(|entry| (entry.id.clone(), ratings.of(&entry.id))).collect();
    Ok((entries, stars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_takes_the_next_free_folder() {
        let dir = tempfile::tempdir().unwrap();
        let videos = dir.path().join("seeds");
        let first = free_folder(&videos);
        std::fs::create_dir(&first).unwrap();
        assert_eq!(free_folder(&videos), dir.path().join("seeds-page-2"));
    }
}
