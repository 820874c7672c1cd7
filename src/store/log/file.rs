//! The log file of a data folder, with its older parts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::line::LogLine;

/// Name of the log file in the data folder; older parts have `.1` to `.3` after it.
pub const LOG_FILE: &str = "wandeck.log";
/// Size at which a new file begins.
const MOST_BYTES: u64 = 10_000_000;
/// Older files that are kept.
const KEPT: u32 = 3;

static FILE: Mutex<Option<RotatedFile>> = Mutex::new(None);

/// Writes the log of this process to a file in `data_dir` from now on. Where that is impossible, the log is only in
/// memory.
pub fn log_to_file(data_dir: &Path) {
    let file = fs::create_dir_all(data_dir)
        .and_then(|()| RotatedFile::open(data_dir.join(LOG_FILE), MOST_BYTES))
        .inspect_err(|error| tracing::warn!("The log cannot be written to {}: {error}", data_dir.display()));
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = file.ok();
}

/// A file that becomes an older part when it is full. No crate is used: the kept ones panic if the folder vanishes.
struct RotatedFile {
    path: PathBuf,
    file: File,
    len: u64,
    most_bytes: u64,
}

impl RotatedFile {
    fn open(path: PathBuf, most_bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        // paths and what a person typed may be in it: for this user only
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let len = file.metadata()?.len();
        Ok(Self { path, file, len, most_bytes })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.len >= self.most_bytes {
            // another program may have begun a new file already
            if fs::metadata(&self.path).is_ok_and(|meta| meta.len() >= self.most_bytes) {
                self.rotate()?;
            }
            *self = Self::open(self.path.clone(), self.most_bytes)?;
        }
        let line = format!("{line}\n");
        self.file.write_all(line.as_bytes())?;
        self.len += line.len() as u64;
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        let older = |number: u32| self.path.with_file_name(format!("{LOG_FILE}.{number}"));
        for number in (1..KEPT).rev() {
            if older(number).exists() {
                fs::rename(older(number), older(number + 1))?;
            }
        }
        fs::rename(&self.path, older(1))
    }
}

/// Writes a line. A file that cannot be written to must not stop a job, so the lines are only in memory from then on.
pub(super) fn write_to_file(line: &LogLine) {
    let mut file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(open) = file.as_mut()
        && open.write(&line.to_string()).is_err()
    {
        *file = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_becomes_an_older_one_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_FILE);
        let mut file = RotatedFile::open(path.clone(), 100).unwrap();
        for number in 0..60 {
            file.write(&format!("line {number:03} of the log")).unwrap();
        }
        drop(file);
        let mut names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["wandeck.log", "wandeck.log.1", "wandeck.log.2", "wandeck.log.3"]);
        let older = std::fs::read_to_string(dir.path().join("wandeck.log.1")).unwrap();
        assert!(older.ends_with("of the log\n") && older.starts_with("line "), "no line is cut: {older}");
        let newest = std::fs::read_to_string(&path).unwrap();
        assert!(newest.ends_with("line 059 of the log\n"), "{newest}");
    }
}
