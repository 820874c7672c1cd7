//! The journal beside a growing file: lines of JSON, appended; also the lock of its one writer.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::journal_line::{JournalLine, whole_lines};
use super::part::cannot_write;
use crate::core::{CancelToken, Result, is_at};

/// How often a lock that another program holds is asked for.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A journal that this program holds.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or creates the journal at `path`. If another program holds it, `waiting` is called once, and this waits
    /// until that program is done.
    pub(super) fn open(path: &Path, cancel: &CancelToken, waiting: &dyn Fn()) -> Result<Self> {
        let failed = |error| cannot_write(path, error);
        let mut has_said = false;
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self { path: path.to_path_buf(), file }),
                // the other program finished and removed it
                Ok(()) => continue,
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    tracing::warn!("{} is on a file system without locks", path.display());
                    return Ok(Self { path: path.to_path_buf(), file });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !has_said {
                has_said = true;
                waiting();
            }
            cancel.check_after(ASK_EVERY)?;
        }
    }

    /// The lines that are whole; what follows the first that is not is cut off.
    pub(super) fn lines(&mut self) -> Result<Vec<JournalLine>> {
        let failed = |error| cannot_write(&self.path, error);
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.file.read_to_end(&mut text).map_err(failed)?;
        let (lines, whole) = whole_lines(&text);
        self.file.set_len(whole as u64).map_err(failed)?;
        Ok(lines)
    }

    /// Forgets all lines.
    pub(super) fn clear(&self) -> Result<()> {
        self.file.set_len(0).map_err(|error| cannot_write(&self.path, error))
    }

    /// Appends a line with one write, so that a killed program leaves it whole or cut, never mixed.
    pub(super) fn append(&mut self, line: &JournalLine) -> Result<()> {
        let write = |file: &mut File| -> io::Result<()> {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            file.write_all(&text)
        };
        write(&mut self.file).map_err(|error| cannot_write(&self.path, error))
    }

    /// Makes the lines last.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| cannot_write(&self.path, error))
    }

    /// Removes the journal, which also frees it.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| cannot_write(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_dropped_and_what_follows_is_whole_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let open = || Journal::open(&path, &CancelToken::new(), &|| {}).unwrap();
        let mut journal = open();
        journal.append(&JournalLine::Done(1)).unwrap();
        journal.append(&JournalLine::Done(2)).unwrap();
        drop(journal);
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
        let mut journal = open();
        assert_eq!(journal.lines().unwrap(), [JournalLine::Done(1)]);
        journal.append(&JournalLine::Done(3)).unwrap();
        assert_eq!(journal.lines().unwrap(), [JournalLine::Done(1), JournalLine::Done(3)]);
    }

    #[test]
    fn a_second_writer_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let _first = Journal::open(&path, &CancelToken::new(), &|| {}).unwrap();
        let cancel = CancelToken::new();
        let error = Journal::open(&path, &cancel, &|| cancel.cancel()).unwrap_err();
        assert_eq!(error.kind, crate::core::Kind::Cancelled);
    }
}
