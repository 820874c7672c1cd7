//! Whether a model's files have the bytes that they were published with, by their checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fetch::{FetchRecord, modified, recorded_folder};
use super::manifest::Manifest;
use crate::core::{Bytes, CancelToken, Kind, Result};
use crate::transfers::{ObjectHasher, ObjectId};

/// How many folders above a file its record is looked for.
const RECORD_LEVELS: usize = 4;

/// What is known of the right content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumSource {
    /// The record that a fetch wrote.
    Record,
    /// The file's own name in a hub cache.
    BlobName,
    /// The manifest.
    Manifest,
}

/// The check of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCheck {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size: Bytes,
    /// Where its checksum is known from; `None` if it is not known.
    pub known_by: Option<ChecksumSource>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Checks of an interrupted run, by file: they count while the file has the same size and time.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Earlier {
    checks: BTreeMap<String, (u64, FileCheck)>,
}

/// Checks files by their checksums. `state` keeps what was done, from where the next run goes on until [`forget_state`].
pub(super) fn check_files(
    files: &[PathBuf],
    manifest: Option<&Manifest>,
    state: Option<&Path>,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Bytes),
) -> Result<Vec<FileCheck>> {
    let mut earlier = state.and_then(read_state).unwrap_or_default();
    let mut checks = Vec::new();
    for path in files {
        let key = path.display().to_string();
        let known = earlier.checks.get(&key).filter(|(time, check)| {
            *time == modified(path) && std::fs::metadata(path).is_ok_and(|data| data.len() == check.size.0)
        });
        if let Some((_, check)) = known {
            checks.push(check.clone());
            continue;
        }
        let time = modified(path);
        let check = check_file(path, manifest, cancel, progress)?;
        note_in_record(&check, time);
        if let Some(state) = state {
            earlier.checks.insert(key, (time, check.clone()));
            write_state(state, &earlier);
        }
        checks.push(check);
    }
    Ok(checks)
}

/// Removes what [`check_files`] kept, so that the next run checks everything again.
pub(super) fn forget_state(state: &Path) {
    // there is none if nothing was checked
    if let Err(error) = std::fs::remove_file(state)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("Cannot remove {}: {error}", state.display());
    }
}

/// Notes in the record of a fetch whether a file that it knows was found whole.
fn note_in_record(check: &FileCheck, time: u64) {
    if check.known_by != Some(ChecksumSource::Record) {
        return;
    }
    let Some((folder, inside)) = place_in_record(&check.path) else { return };
    if let Err(error) = FetchRecord::note_check(&folder, &inside, time, check.problem.is_none()) {
        tracing::warn!("Cannot note the check of {}: {error:#}", check.path.display());
    }
}

/// The folder of a record around the file at `path`, and the file's path in it.
pub(super) fn place_in_record(path: &Path) -> Option<(PathBuf, String)> {
    let folder = recorded_folder(path, RECORD_LEVELS)?;
    let inside = path.strip_prefix(&folder).ok()?.to_string_lossy().replace('\\', "/");
    Some((folder, inside))
}

/// The record of the fetch that brought the file at `path`.
pub(super) fn record_of(path: &Path) -> Option<FetchRecord> {
    let (folder, inside) = place_in_record(path)?;
    FetchRecord::read(&folder).filter(|record| record.files.iter().any(|file| file.path == inside))
}

fn check_file(
    path: &Path,
    manifest: Option<&Manifest>,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Bytes),
) -> Result<FileCheck> {
    let size = Bytes(std::fs::metadata(path).map_or(0, |data| data.len()));
    let Some((source, expected)) = expected(path, size, manifest) else {
        return Ok(FileCheck { path: path.to_path_buf(), size, known_by: None, problem: None });
    };
    let mut read = |bytes| progress(Bytes(bytes));
    let problem = match ObjectHasher::of_file(path, Some(&expected), cancel, &mut read) {
        Ok(found) if found == expected => None,
        Ok(found) => Some(format!("its checksum is {found}, not {expected}")),
        Err(error) if error.kind == Kind::Io => Some(format!("{error:#}")),
        Err(error) => return Err(error),
    };
    Ok(FileCheck { path: path.to_path_buf(), size, known_by: Some(source), problem })
}

/// Bytes of `files` whose checksum is known, which [`check_files`] reads.
pub(super) fn size_to_check(files: &[PathBuf], manifest: Option<&Manifest>) -> Bytes {
    let size = |path: &PathBuf| Bytes(std::fs::metadata(path).map_or(0, |data| data.len()));
    let known = files.iter().map(|path| (path, size(path)));
    Bytes(
        known.filter(|(path, size)| expected(path, *size, manifest).is_some()).map(|(_, size)| size.0).sum(),
    )
}

/// The right id of the file at `path`, from where it is known.
fn expected(path: &Path, size: Bytes, manifest: Option<&Manifest>) -> Option<(ChecksumSource, ObjectId)> {
    if let Some((folder, inside)) = place_in_record(path) {
        let record = FetchRecord::read(&folder);
        let file = record.and_then(|record| record.files.into_iter().find(|file| file.path == inside));
        if let Some(file) = file {
            return Some((ChecksumSource::Record, file.object));
        }
    }
    let is_blob = path.parent().is_some_and(|folder| folder.file_name().is_some_and(|name| name == "blobs"));
    if is_blob && let Some(id) = ObjectId::parse(&path.file_name()?.to_string_lossy()) {
        return Some((ChecksumSource::BlobName, id));
    }
    let name = path.file_name()?.to_string_lossy();
    let is_it = |path: &str| path.rsplit('/').next() == Some(name.as_ref());
    let known = manifest?.files.values().find(|file| is_it(&file.path) && file.size == Some(size))?;
    Some((ChecksumSource::Manifest, ObjectId::Sha256(known.sha256.clone()?.to_lowercase())))
}

fn read_state(path: &Path) -> Option<Earlier> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write_state(path: &Path, earlier: &Earlier) {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = serde_json::to_vec(earlier)
        .map_err(std::io::Error::other)
        .and_then(|text| folder.and_then(|()| std::fs::write(path, text)));
    if let Err(error) = written {
        tracing::debug!("The state of the check cannot be kept: {error}");
    }
}
