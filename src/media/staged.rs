//! Atomic output: files and folders are written under a temporary name beside the target, synced, then renamed.
//!
//! Dropping one without [`StagedVideo::place`] removes it and every folder that was created for it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::core::Result;

use super::fault::io_error;
use super::target::{Existing, OutputTarget, holds_only_frames};

const CANNOT_WRITE: &str = "Cannot write";

/// A complete and synced video under a temporary name, ready to be renamed to its target.
pub struct StagedVideo {
    staged: Staged,
    note: Option<String>,
}

enum Staged {
    File(StagedFile),
    Folder(StagedFolder),
}

/// A rename from a temporary name to a final one.
#[derive(Clone, Copy, Debug)]
pub struct Rename<'a> {
    /// The temporary path.
    pub from: &'a Path,
    /// The final path.
    pub to: &'a Path,
}

impl StagedVideo {
    /// A warning about the video for the user, if any.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The same video with a warning for the user.
    pub(super) fn with_note(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    /// Renames the video to its target, or to the next free name, and returns the final path.
    ///
    /// Calls `announce` before each attempt, so that the caller can save the rename and pass it to [`complete_rename`]
    /// after a crash.
    pub fn place(self, announce: &mut dyn FnMut(Rename<'_>) -> Result<()>) -> Result<PathBuf> {
        match self.staged {
            Staged::File(file) => file.commit(announce),
            Staged::Folder(folder) => folder.commit(announce),
        }
    }
}

/// Completes a rename that a crash interrupted, and returns the final path. `None` if neither path exists, or if the
/// final name has been taken; then the temporary file is removed.
pub fn complete_rename(rename: Rename<'_>, existing: Existing) -> Result<Option<PathBuf>> {
    let Rename { from, to } = rename;
    let failed = |error| io_error(CANNOT_WRITE, to, error);
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    match (exists(from), exists(to)) {
        // the temporary name disappears only by the rename
        (false, true) => {}
        (true, false) => fs::rename(from, to).map_err(failed)?,
        (true, true) if existing == Existing::Replace && from.is_file() && !to.is_dir() => {
            fs::rename(from, to).map_err(failed)?;
        }
        (true, true) if existing == Existing::Replace && from.is_dir() && to.is_dir() => {
            replace_folder(from, to).map_err(failed)?;
        }
        _ => {
            abandon(from, Some(to));
            return Ok(None);
        }
    }
    remove(&replaced_path(from));
    if let Some(folder) = to.parent() {
        sync_folder(folder);
    }
    Ok(Some(to.to_path_buf()))
}

/// Removes the temporary file or folder `hidden` of a video that was not completed. Frames at `to` that were set aside
/// for it come back.
pub fn abandon(hidden: &Path, to: Option<&Path>) {
    let replaced = replaced_path(hidden);
    match to.filter(|to| replaced.exists() && to.symlink_metadata().is_err()) {
        Some(to) => {
            if let Err(error) = fs::rename(&replaced, to) {
                tracing::error!("Cannot restore {} from {}: {error}", to.display(), replaced.display());
            }
        }
        None => remove(&replaced),
    }
    remove(hidden);
}

/// Where the frames are that the temporary folder `hidden` is about to replace.
fn replaced_path(hidden: &Path) -> PathBuf {
    hidden.with_extension("replaced")
}

/// Replaces the folder of frames `to` by the folder `from`. A crash in between leaves either both or the old one aside.
fn replace_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    if !holds_only_frames(to) {
        return Err(ErrorKind::DirectoryNotEmpty.into());
    }
    let aside = replaced_path(from);
    fs::rename(to, &aside)?;
    if let Err(error) = fs::rename(from, to) {
        fs::rename(&aside, to)?;
        return Err(error);
    }
    if let Some(folder) = to.parent() {
        sync_folder(folder);
    }
    remove(&aside);
    Ok(())
}

/// Removes a file or folder, if it is there.
fn remove(hidden: &Path) {
    let gone = if hidden.is_dir() { fs::remove_dir_all(hidden) } else { fs::remove_file(hidden) };
    if let Err(error) = gone.or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }) {
        tracing::warn!("Cannot remove {}: {error}", hidden.display());
    }
}

/// A file under a temporary name.
pub(super) struct StagedFile {
    // dropped in this order: the file must be removed before its folder
    temp: NamedTempFile,
    made: MadeFolders,
    target: OutputTarget,
}

/// A folder of files under a temporary name.
pub(super) struct StagedFolder {
    temp: TempDir,
    made: MadeFolders,
    target: OutputTarget,
}

impl StagedFile {
    /// Creates the target's folders and an empty temporary file beside the target.
    pub(super) fn create(target: &OutputTarget) -> Result<Self> {
        let failed = |error| io_error(CANNOT_WRITE, target.path(), error);
        let made = MadeFolders::create(target.folder()).map_err(failed)?;
        let temp = builder(target, 0o666).tempfile_in(target.folder()).map_err(failed)?;
        Ok(Self { temp, made, target: target.clone() })
    }

    /// The file to write into.
    pub(super) fn file(&mut self) -> &mut File {
        self.temp.as_file_mut()
    }

    /// Its temporary path.
    pub(super) fn hidden(&self) -> &Path {
        self.temp.path()
    }

    /// Syncs the file, which is complete.
    pub(super) fn ready(self) -> Result<StagedVideo> {
        self.temp.as_file().sync_all().map_err(|error| io_error(CANNOT_WRITE, self.target.path(), error))?;
        Ok(StagedVideo { staged: Staged::File(self), note: None })
    }

    fn commit(self, announce: &mut dyn FnMut(Rename<'_>) -> Result<()>) -> Result<PathBuf> {
        let Self { mut temp, made, target } = self;
        let failed = |error| io_error(CANNOT_WRITE, target.path(), error);
        let mut path = target.path().to_path_buf();
        announce(Rename { from: temp.path(), to: &path })?;
        if target.existing() == Existing::Replace {
            temp.persist(&path).map_err(|error| failed(error.error))?;
        } else {
            while let Err(error) = temp.persist_noclobber(&path) {
                if error.error.kind() == ErrorKind::AlreadyExists {
                    path = target.next_name()?;
                } else if path.symlink_metadata().is_err() {
                    // some file systems only have the overwriting rename; the name is free, so it is safe
                    error.file.persist(&path).map_err(|error| failed(error.error))?;
                    break;
                } else {
                    return Err(failed(error.error));
                }
                temp = error.file;
                announce(Rename { from: temp.path(), to: &path })?;
            }
        }
        made.keep();
        sync_folder(target.folder());
        Ok(path)
    }
}

impl StagedFolder {
    /// Creates the target's folders and an empty temporary folder beside the target.
    pub(super) fn create(target: &OutputTarget) -> Result<Self> {
        let failed = |error| io_error(CANNOT_WRITE, target.path(), error);
        let made = MadeFolders::create(target.folder()).map_err(failed)?;
        let temp = builder(target, 0o777).tempdir_in(target.folder()).map_err(failed)?;
        Ok(Self { temp, made, target: target.clone() })
    }

    /// The folder to write synced files into.
    pub(super) fn path(&self) -> &Path {
        self.temp.path()
    }

    /// Syncs the folder, whose files are complete and synced.
    pub(super) fn ready(self) -> StagedVideo {
        sync_folder(self.temp.path());
        StagedVideo { staged: Staged::Folder(self), note: None }
    }

    fn commit(self, announce: &mut dyn FnMut(Rename<'_>) -> Result<()>) -> Result<PathBuf> {
        let Self { temp, made, target } = self;
        let failed = |error| io_error(CANNOT_WRITE, target.path(), error);
        let mut path = target.path().to_path_buf();
        announce(Rename { from: temp.path(), to: &path })?;
        if target.existing() == Existing::Replace && path.is_dir() {
            replace_folder(temp.path(), &path).map_err(failed)?;
            drop(temp.keep());
            made.keep();
            return Ok(path);
        }
        // renaming onto a folder that is not empty fails, so nothing is overwritten
        while let Err(error) = fs::rename(temp.path(), &path) {
            let is_taken = matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory
            );
            if target.existing() == Existing::NextFree && is_taken {
                path = target.next_name()?;
                announce(Rename { from: temp.path(), to: &path })?;
                continue;
            }
            return Err(failed(error));
        }
        drop(temp.keep());
        made.keep();
        sync_folder(target.folder());
        Ok(path)
    }
}

/// Builder of the target's temporary name. `mode` is limited by the user's umask, as for any other new file.
fn builder(target: &OutputTarget, mode: u32) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(target.hidden_name()).rand_bytes(0);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Syncs a folder so that a rename survives a power loss. A failure is only logged, as the file itself is complete.
fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("cannot sync {}: {error}", folder.display());
    }
}

/// Folders created for a file, outermost first; removed on drop unless kept.
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    fn create(folder: &Path) -> std::io::Result<Self> {
        let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let mut missing: Vec<_> = missing.map(Path::to_path_buf).collect();
        missing.reverse();
        let mut made = Self(Vec::new());
        for path in missing {
            match fs::create_dir(&path) {
                Ok(()) => {
                    if let Some(parent) = path.parent() {
                        sync_folder(parent);
                    }
                    made.0.push(path);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        // innermost first; a folder that another program uses by now is not empty and stays
        for path in self.0.iter().rev() {
            if fs::remove_dir(path).is_err() {
                break;
            }
        }
    }
}
