//! An append-only log of records that several programs share: each line has a checksum and is synced.
//!
//! A line is `CRC32 JSON`; the first line holds the format's name and version. An incomplete last line (power loss,
//! full disk) is removed; a damaged line before it is skipped and reported, and the damaged file is copied. Every
//! operation takes the journal's lock and first reads what other programs have appended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::lock::HeldLock;
use super::staged::stage_in;
use super::whole_file::sync_folder;
use crate::core::{Error, Kind, Result, is_at};

/// JSON key of the version in the first line.
const KEY: &str = "wandeck_journal";
/// Longest journal that is read; a queue of ten thousand jobs has under 100 MB.
const MAX_BYTES: u64 = 2 << 30;
/// Bytes below which a journal is never rewritten to save space.
const SMALL: u64 = 1 << 20;

/// Damage found when a journal was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Records that could not be read.
    pub records: usize,
    /// Copy of the damaged file.
    pub kept: PathBuf,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Version of the records this program writes.
    version: u64,
    /// Version in the file's first line; `None` if that line is damaged.
    found: Option<u64>,
    /// Bytes that this handle has read or written; always ends at a complete record.
    read: u64,
    /// Size in bytes after the last rewrite.
    base: u64,
    /// The folder as it was when the journal was opened.
    folder: Option<FolderIdentity>,
}

/// Records that were appended since the previous read.
#[derive(Debug)]
pub struct JournalUpdate<R> {
    /// Whether the file was read from its start, because it is new to this handle or was rewritten.
    pub from_start: bool,
    /// The records, oldest first.
    pub records: Vec<R>,
    /// Damage, if some lines could not be read.
    pub damage: Option<Damage>,
}

/// A journal that no other program can change until this value is dropped.
pub struct Locked<'a> {
    journal: &'a mut Journal,
    _lock: HeldLock,
}

impl Journal {
    /// Opens or creates the journal at `path` for records of `version`. A file of a newer version fails when it is read.
    pub fn open(path: &Path, version: u64) -> Result<Self> {
        let _lock = HeldLock::wait(&lock_path(path))?;
        let failed = |error| failed(path, error);
        if !path.try_exists().map_err(failed)? {
            // at once with its first line: an empty file is damage
            replace(path, &line(&header(version))).map_err(failed)?;
        }
        let file = open(path).map_err(failed)?;
        let folder = FolderIdentity::of(path);
        let path = path.to_path_buf();
        Ok(Self { path, file, version, found: Some(version), read: 0, base: 0, folder })
    }

    /// Fails if the journal's folder was moved, removed or replaced by another since the journal was opened. Nothing can
    /// be read or written any more then.
    pub fn check_place(&self) -> Result<()> {
        if FolderIdentity::of(&self.path) == self.folder && self.path.exists() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Io,
            format!(
                "The data folder was moved, removed or replaced while it was in use: {}",
                self.path.display()
            ),
        )
        .remedy("Put it back and start the program again; what was saved before is in it"))
    }

    /// Waits for the lock, which excludes other programs until the result is dropped.
    pub fn lock(&mut self) -> Result<Locked<'_>> {
        self.check_place()?;
        let lock = HeldLock::wait(&lock_path(&self.path))?;
        Ok(Locked { journal: self, _lock: lock })
    }

    /// Whether there may be new records. Cheap: reads only the file's metadata.
    pub fn may_have_changed(&self) -> bool {
        self.replaced() || fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() != self.read)
    }

    /// Whether the file at the path is no longer the open file.
    fn replaced(&self) -> bool {
        !is_at(&self.file, &self.path)
    }

    /// Appends complete lines and syncs them; on failure the file is truncated to its previous length.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.read))?;
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // if this fails too, the next read removes the incomplete line
            drop(self.file.set_len(self.read));
            return Err(error);
        }
        self.read += lines.len() as u64;
        Ok(())
    }
}

impl Locked<'_> {
    /// Reads the records appended since the previous read, and removes an incomplete last line.
    ///
    /// `decode` makes a record from JSON of a version, which is `None` if the file's first line is damaged.
    pub fn read_new<R>(
        &mut self,
        decode: impl Fn(&[u8], Option<u64>) -> Option<R>,
    ) -> Result<JournalUpdate<R>> {
        let journal = &mut *self.journal;
        let path = journal.path.clone();
        let failed = |error| failed(&path, error);
        if journal.replaced() {
            journal.file = open(&path).map_err(failed)?;
            (journal.read, journal.base) = (0, 0);
        }
        let length = journal.file.metadata().map_err(failed)?.len();
        let is_cut = length < journal.read;
        if is_cut {
            journal.read = 0;
        }
        if length > MAX_BYTES {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        let from_start = journal.read == 0;
        let mut text = Vec::new();
        journal.file.seek(SeekFrom::Start(journal.read)).map_err(failed)?;
        journal.file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut lines = text[..whole].split_inclusive(|&byte| byte == b'\n');
        let (mut records, mut bad) = (Vec::new(), 0);
        if from_start {
            journal.found = version_of(lines.next(), &path, journal.version)?;
            bad += usize::from(journal.found.is_none() || is_cut);
        }
        // a power loss leaves zeros where a record was to be, a record that was being written has none
        bad += usize::from(text[whole..].contains(&0));
        for line in lines {
            match checked(line).and_then(|json| decode(json, journal.found)) {
                Some(record) => records.push(record),
                None => bad += 1,
            }
        }
        let damage = match bad {
            0 => None,
            records => Some(Damage { records, kept: keep_aside(&path).map_err(failed)? }),
        };
        if whole < text.len() {
            tracing::warn!("Removed an incomplete last record: {}", path.display());
            journal.file.set_len(journal.read + whole as u64).map_err(failed)?;
        }
        journal.read += whole as u64;
        if from_start {
            journal.base = journal.read;
        }
        Ok(JournalUpdate { from_start, records, damage })
    }

    /// Appends records, which are on disk when this returns. Call [`Self::read_new`] first.
    pub fn append<R: Serialize>(&mut self, records: &[R]) -> Result<()> {
        let lines = lines(records)?;
        let path = self.journal.path.clone();
        self.journal.write(&lines).map_err(|error| failed(&path, error))
    }

    /// Whether the file has an older version and must be rewritten before anything is appended.
    pub fn is_old(&self) -> bool {
        self.journal.found != Some(self.journal.version)
    }

    /// Whether the file is over 1 MiB and more than twice its size after the last rewrite.
    pub fn is_long(&self) -> bool {
        self.journal.read > SMALL.max(self.journal.base.saturating_mul(2))
    }

    /// Replaces the whole journal with `records`, a shorter equivalent.
    pub fn rewrite<R: Serialize>(&mut self, records: &[R]) -> Result<()> {
        let journal = &mut *self.journal;
        let path = journal.path.clone();
        let failed = |error| failed(&path, error);
        let mut bytes = line(&header(journal.version));
        bytes.extend(lines(records)?);
        replace(&path, &bytes).map_err(failed)?;
        journal.file = open(&path).map_err(failed)?;
        journal.found = Some(journal.version);
        (journal.read, journal.base) = (bytes.len() as u64, bytes.len() as u64);
        Ok(())
    }
}

/// Which folder a path is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FolderIdentity(u64, u64);

impl FolderIdentity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        path.parent()?.metadata().ok().map(|about| Self(about.dev(), about.ino()))
    }

    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        // this system does not move a folder with open files
        None
    }
}

/// Writes a whole file beside `path`, syncs it and gives it the name.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut staged = stage_in(folder, "")?;
    staged.write_all(bytes)?;
    staged.as_file().sync_all()?;
    staged.persist(path).map_err(|error| error.error)?;
    sync_folder(folder);
    Ok(())
}

fn header(version: u64) -> Vec<u8> {
    json!({ KEY: version }).to_string().into_bytes()
}

fn line(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32fast::hash(json)).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

fn lines<R: Serialize>(records: &[R]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for record in records {
        let json = serde_json::to_vec(record).map_err(|error| {
            Error::new(Kind::Bug, "Cannot encode a record of the queue as JSON").because(error)
        })?;
        all.extend(line(&json));
    }
    Ok(all)
}

/// The JSON of a line, or `None` if its checksum does not match.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.trim_ascii_end().split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?.trim_end(), 16).ok()?;
    (sum == crc32fast::hash(json)).then_some(json)
}

/// The version in the first line, `None` if the line is damaged. Fails if the version is newer than `known`.
fn version_of(first: Option<&[u8]>, path: &Path, known: u64) -> Result<Option<u64>> {
    let header = first.and_then(checked).and_then(|json| serde_json::from_slice::<Value>(json).ok());
    match header.as_ref().and_then(|header| header[KEY].as_u64()) {
        Some(version) if version > known => Err(Error::new(
            Kind::Unsupported,
            format!(
                "The queue has version {version}, and this program supports up to version {known}: {}",
                path.display()
            ),
        )
        .remedy("Use the newer Wandeck that wrote it, or choose another --data-dir")),
        found => Ok(found),
    }
}

/// Copies a damaged file to the next free name and returns that name.
fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let kept = path.with_extension(format!("damaged-{number}"));
        if !kept.exists() {
            fs::copy(path, &kept)?;
            return Ok(kept);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot read or write the queue: {}", path.display()))
        .because(error)
        .remedy("Free some disk space or check the folder's permissions; jobs saved earlier are kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(dir: &Path) -> Journal {
        Journal::open(&dir.join("journal"), 1).unwrap()
    }

    fn decode(json: &[u8], _version: Option<u64>) -> Option<u32> {
        serde_json::from_slice(json).ok()
    }

    fn append(journal: &mut Journal, values: &[u32]) {
        let mut locked = journal.lock().unwrap();
        locked.read_new(decode).unwrap();
        locked.append(values).unwrap();
    }

    fn read(journal: &mut Journal) -> JournalUpdate<u32> {
        journal.lock().unwrap().read_new(decode).unwrap()
    }

    #[test]
    fn two_programs_read_each_others_records() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (journal(dir.path()), journal(dir.path()));
        append(&mut one, &[1, 2]);
        assert!(two.may_have_changed());
        assert_eq!(read(&mut two).records, [1, 2]);
        append(&mut two, &[3]);
        assert_eq!(read(&mut one).records, [3]);
        assert!(!one.may_have_changed() && !two.may_have_changed());
        one.lock().unwrap().rewrite(&[6]).unwrap();
        let update = read(&mut two);
        assert_eq!((update.from_start, update.records), (true, vec![6]));
    }

    #[test]
    fn an_incomplete_last_line_is_removed_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        append(&mut journal(dir.path()), &[1, 2]);
        let before = fs::metadata(&path).unwrap().len() as usize;
        append(&mut journal(dir.path()), &[333]);
        let whole = fs::read(&path).unwrap();
        for length in before..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut journal = journal(dir.path());
            let update = read(&mut journal);
            assert_eq!((update.records, update.damage), (vec![1, 2], None), "{length} bytes");
            append(&mut journal, &[4]);
            assert_eq!(read(&mut self::journal(dir.path())).records, [1, 2, 4], "{length} bytes");
        }
    }

    #[test]
    fn a_damaged_record_is_skipped_and_reported_and_the_file_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        append(&mut journal(dir.path()), &[1, 2, 3]);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let update = read(&mut journal(dir.path()));
            assert!(update.records.iter().all(|record| [1, 2, 3].contains(record)), "byte {at}");
            assert!(update.records.len() >= 2 || bytes[at] == b'\n' || whole[at] == b'\n', "byte {at}");
            let in_header = at < whole.iter().position(|&byte| byte == b'\n').unwrap();
            let lost = update.records.len() < 3;
            assert_eq!(update.damage.is_some(), lost || in_header, "byte {at}");
            if let Some(damage) = update.damage {
                assert_eq!(fs::read(damage.kept).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn an_older_version_is_read_and_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        append(&mut journal(dir.path()), &[1]);
        let mut newer = Journal::open(&dir.path().join("journal"), 2).unwrap();
        let mut locked = newer.lock().unwrap();
        let update = locked.read_new(|json, version| Some((decode(json, version)?, version?))).unwrap();
        assert_eq!((update.records, update.damage), (vec![(1, 1)], None));
        assert!(locked.is_old());
        locked.rewrite(&[10]).unwrap();
        assert!(!locked.is_old());
        drop(locked);
        let error = journal(dir.path()).lock().unwrap().read_new(decode).unwrap_err();
        assert!(format!("{error:#}").contains("version 2"), "{error:#}");
    }

    #[test]
    fn a_newer_version_is_an_error_and_the_file_is_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let newer = line(br#"{"wandeck_journal":99}"#);
        fs::write(&path, &newer).unwrap();
        let error = journal(dir.path()).lock().unwrap().read_new(decode).unwrap_err();
        assert!(format!("{error:#}").contains("version 99"), "{error:#}");
        assert_eq!(fs::read(&path).unwrap(), newer);
    }
}
