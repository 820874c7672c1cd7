//! The record in the folder of a fetched model: its files, their ids, and when they were checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::super::json_file::write_json;
use crate::core::{Bytes, Result, read_bounded};
use crate::transfers::{ObjectId, PART_EXTENSION};

/// Name of the record in a model's folder.
pub const RECORD_FILE: &str = "wandeck-files.json";
/// Largest record that is read.
const MAX_RECORD: Bytes = Bytes(16 << 20);
/// Version of the file format.
const VERSION: u32 = 1;
/// The time of a file that was found damaged, which no file has.
const DAMAGED: u64 = u64::MAX;
/// How many folders deep a file that is being fetched is looked for.
const PART_DEPTH: usize = 3;

/// What a folder was fetched as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// Version of the file format.
    pub version: u32,
    /// Id of the manifest's item.
    pub id: String,
    /// Version of the manifest's item.
    pub item_version: String,
    /// Name of the variant.
    pub variant: String,
    /// SPDX name of the licence.
    pub licence: String,
    /// Whether every file of the variant was fetched and checked.
    pub is_complete: bool,
    /// The files that were checked.
    pub files: Vec<RecordedFile>,
}

/// A file of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Its path in the folder, with slashes.
    pub path: String,
    /// Its size.
    pub size: Bytes,
    /// Id of its content.
    pub object: ObjectId,
    /// When it was last changed before it was checked, in nanoseconds since 1970; the largest number if the check found
    /// it damaged.
    pub modified: u64,
    /// `owner/name` of the repository.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl FetchRecord {
    /// The record in `folder`; `None` if there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let bytes = read_bounded(&folder.join(RECORD_FILE), MAX_RECORD).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|record: &Self| record.version == VERSION)
    }

    /// Writes the record into `folder`, whole or not at all.
    pub fn write(&mut self, folder: &Path) -> Result<()> {
        self.version = VERSION;
        write_json(&folder.join(RECORD_FILE), self)
    }

    /// Notes that a file was checked.
    pub fn add(&mut self, file: RecordedFile) {
        self.files.retain(|known| known.path != file.path);
        self.files.push(file);
    }

    /// Notes in the record in `folder` whether the file at `path`, which was last changed at `time`, was found whole: a
    /// damaged one is no longer taken for what was fetched.
    pub(in crate::models) fn note_check(folder: &Path, path: &str, time: u64, is_whole: bool) -> Result<()> {
        let Some(mut record) = Self::read(folder) else { return Ok(()) };
        let Some(file) = record.files.iter_mut().find(|file| file.path == path) else { return Ok(()) };
        let time = if is_whole { time } else { DAMAGED };
        if file.modified == time {
            return Ok(());
        }
        file.modified = time;
        record.write(folder)
    }

    /// The file at `path` in `folder`, if it has not changed since it was checked.
    pub fn unchanged(&self, folder: &Path, path: &str) -> Option<&RecordedFile> {
        let file = self.files.iter().find(|file| file.path == path)?;
        (!has_changed(folder, file)).then_some(file)
    }

    /// Whether all files of a complete record are there, unchanged.
    pub fn is_intact(&self, folder: &Path) -> bool {
        self.is_complete && self.files.iter().all(|file| !has_changed(folder, file))
    }
}

/// Whether `folder` holds a fetch that has not come to its end: its record says so, or no file is whole yet.
pub(in crate::models) fn is_unfinished(folder: &Path) -> bool {
    match FetchRecord::read(folder) {
        Some(record) => !record.is_complete,
        None => holds_only_parts(folder, PART_DEPTH),
    }
}

/// Whether `folder`, with at most so many folders below it, holds nothing but files that are being fetched.
fn holds_only_parts(folder: &Path, deeper: usize) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_part = |path: &Path| {
        let path = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|end| end == "journal"))
            .map_or(path, Path::new);
        path.extension().is_some_and(|end| end == PART_EXTENSION)
    };
    entries.map(|entry| entry.path()).all(|path| {
        if path.is_dir() { deeper > 0 && holds_only_parts(&path, deeper - 1) } else { is_part(&path) }
    })
}

/// Whether a file has another size or time than when it was checked, or is gone. Its bytes are not read.
pub fn has_changed(folder: &Path, file: &RecordedFile) -> bool {
    let path = folder.join(&file.path);
    fs::metadata(&path).map_or(true, |data| data.len() != file.size.0 || modified(&path) != file.modified)
}

/// When the file at `path` was last changed, in nanoseconds since 1970; 0 where that is unknown.
pub(in crate::models) fn modified(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The folder with a record around the file at `path`, at most `levels` folders up.
pub(in crate::models) fn recorded_folder(path: &Path, levels: usize) -> Option<PathBuf> {
    path.ancestors()
        .skip(1)
        .take(levels)
        .find(|folder| folder.join(RECORD_FILE).is_file())
        .map(Path::to_path_buf)
}
