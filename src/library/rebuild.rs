//! Rebuilds the history from the settings stored in finished videos.

use std::fs;
use std::path::{Path, PathBuf};

use super::history::History;
use super::provenance::SavedRequest;
use crate::core::{Result, Utc, sha256_hex};
use crate::jobs::{EndStatus, HistoryEntry};

/// Maximum depth of folders that are searched.
const DEPTH: usize = 8;
/// Extensions of files that may contain settings.
const ENDINGS: [&str; 3] = ["mp4", "gif", "png"];
/// The first file of a PNG sequence.
const FIRST_FRAME: &str = "frame_0000.png";

/// The result of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Number of videos and images with saved settings.
    pub num_found: usize,
    /// Number of entries added to the history.
    pub num_added: usize,
    /// One sentence for each skipped file.
    pub notes: Vec<String>,
}

/// Searches `folders` for videos and adds those that are missing in `history`.
///
/// A video contains its request, model, provider and precision; the end time is the file's modification time.
/// Durations and failed jobs cannot be restored.
pub fn rebuild(history: &History, folders: &[PathBuf]) -> Result<Rebuilt> {
    let mut notes = Vec::new();
    let mut tasks = Vec::new();
    for folder in folders {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        look(&folder, DEPTH, &mut tasks, &mut notes);
    }
    let num_found = tasks.len();
    let num_added = history.rebuild(tasks.into_iter())?;
    Ok(Rebuilt { num_found, num_added, notes })
}

fn look(folder: &Path, depth: usize, tasks: &mut Vec<HistoryEntry>, notes: &mut Vec<String>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(std::result::Result::ok),
        Err(error) => return notes.push(format!("Cannot read the folder {}: {error}", folder.display())),
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let link = path.is_symlink();
        if hidden || link {
            continue;
        }
        if path.is_dir() && !path.join(FIRST_FRAME).is_file() {
            if depth > 0 {
                look(&path, depth - 1, tasks, notes);
            }
        } else if path.is_dir() || has_ending(&path) {
            match task(&path) {
                Ok(task) => tasks.extend(task),
                Err(error) => notes.push(format!("Skipped {}: {error:#}", path.display())),
            }
        }
    }
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// The history entry of a file; `None` if it contains no settings.
fn task(path: &Path) -> Result<Option<HistoryEntry>> {
    let Some(recorded) = SavedRequest::read(path)? else { return Ok(None) };
    let made = fs::metadata(path).and_then(|about| about.modified()).map(Utc::from).unwrap_or_default();
    let text = |key: &str| recorded.value(key).as_str().map(str::to_owned);
    let name = sha256_hex(path.as_os_str().as_encoded_bytes());
    Ok(Some(HistoryEntry {
        // the same path gives the same id, so that a file is added once
        id: format!("file-{}", &name[..16]),
        status: EndStatus::Done,
        created: made,
        started: Some(made),
        ended: made,
        prompt: recorded.draft.prompt.clone(),
        mode: recorded.draft.mode,
        model: text("model").unwrap_or_else(|| recorded.draft.model.clone()),
        model_fingerprint: text("model_fingerprint"),
        request: recorded.value("request").clone(),
        output: Some(path.to_path_buf()),
        provider: text("provider"),
        precision: text("precision"),
        ..HistoryEntry::default()
    }))
}
