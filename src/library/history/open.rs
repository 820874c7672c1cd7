//! Opens the database: creates a missing one, migrates an old one, renames a damaged one, and rejects a newer one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::schema::{self, Unfit, VERSION};
use crate::core::{Error, Kind, Result, counted};
use crate::store::{HeldLock, create_private_folder, make_private};

const NAME: &str = "history.sqlite";
/// Lock that is held while the database is opened: `SQLite` does not wait for other readers when it switches to a
/// write-ahead log, and two processes must not rename each other's new file.
const LOCK: &str = "history.lock";
/// Suffixes of the files that `SQLite` keeps beside the database.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];
/// How long a process waits for a write of another one; a write takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Smallest page of `SQLite`, bytes.
const LEAST_SIZE: u64 = 512;
/// How the records of videos come into a new history.
const FILL: &str = "\"wandeck tasks --rebuild\" fills it from the videos";
/// What to do after damage was found.
pub(super) const REBUILD: &str =
    "Run \"wandeck tasks --rebuild\": it sets the file aside and makes a new one from the videos";

/// The ended jobs of a data folder. Several processes may have it open at once.
#[derive(Debug)]
pub struct History {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Where a history is that was copied to be read; removed after the connection.
    _copy: Option<TempDir>,
}

impl History {
    /// Path of the database in a data folder.
    pub fn path_in(data_dir: &Path) -> PathBuf {
        data_dir.join(NAME)
    }

    /// Opens the history of a data folder. Returns a sentence for each repair.
    ///
    /// Damage that is found when opening is repaired. Damage inside the file is found when that part is read, or by
    /// [`Self::open_checked`].
    pub fn open(data_dir: &Path) -> Result<(Self, Vec<String>)> {
        Self::open_with(data_dir, Depth::Open)
    }

    /// Opens the history of a data folder like [`Self::open`], after checking every page.
    pub fn open_checked(data_dir: &Path) -> Result<(Self, Vec<String>)> {
        Self::open_with(data_dir, Depth::EveryPage)
    }

    /// Opens the history of a data folder to show it. Where the folder cannot be written to, because its disk is full or
    /// read-only, a copy is opened.
    pub fn open_to_read(data_dir: &Path) -> Result<(Self, Vec<String>)> {
        match Self::open(data_dir) {
            Err(error) if error.kind == Kind::Io => Self::open_copy(data_dir, &error).ok_or(error),
            opened => opened,
        }
    }

    fn open_copy(data_dir: &Path, error: &Error) -> Option<(Self, Vec<String>)> {
        let copy = tempfile::tempdir().ok()?;
        for ending in ["", "-wal"] {
            let name = format!("{NAME}{ending}");
            match fs::copy(data_dir.join(&name), copy.path().join(&name)) {
                // without a log, everything is in the database
                Err(_) if ending == "-wal" => {}
                copied => drop(copied.ok()?),
            }
        }
        let (history, mut notes) = Self::open(copy.path()).ok()?;
        notes.push(format!("This is a copy of the history: {error:#}"));
        Some((Self { _copy: Some(copy), ..history }, notes))
    }

    /// The problems found by `SQLite`'s integrity check; empty if there are none.
    pub fn problems(&self) -> Result<Vec<String>> {
        problems(&self.connection).map_err(|error| self.failed("be checked", error))
    }

    fn open_with(data_dir: &Path, depth: Depth) -> Result<(Self, Vec<String>)> {
        let path = Self::path_in(data_dir);
        let done = |connection, notes| Ok((Self { connection, path: path.clone(), _copy: None }, notes));
        create_private_folder(data_dir).map_err(|error| no_folder(data_dir, error))?;
        let _lock = HeldLock::wait(&data_dir.join(LOCK))?;
        let is_new = size_of(&path) == 0 && size_of(&with(&path, "-wal")) == 0;
        match check_size(&path).and_then(|()| connect(&path, depth)) {
            // who checks every page rebuilds it, too
            Ok(connection) if is_new && depth == Depth::Open && has_outputs(data_dir) => {
                done(connection, vec![format!("The history was empty. {FILL}")])
            }
            Ok(connection) => done(connection, Vec::new()),
            Err(Unfit::Damaged(why)) => {
                let aside = set_aside(&path)
                    .map_err(|error| refusal(&path, Unfit::Damaged(why.clone())).because(error))?;
                let note = format!(
                    "The history was damaged ({why}). It is kept as {}, and a new one was begun. {FILL}",
                    aside.display()
                );
                done(connect(&path, depth).map_err(|unfit| refusal(&path, unfit))?, vec![note])
            }
            Err(other) => Err(refusal(&path, other)),
        }
    }

    /// The error of a failed operation on the open database.
    pub(super) fn failed(&self, what: &str, error: rusqlite::Error) -> Error {
        let remedy = if schema::is_damage(&error) {
            REBUILD.to_owned()
        } else {
            "Check the free disk space and the permissions of the data folder".to_owned()
        };
        Error::new(Kind::Io, format!("The history {} cannot {what}", self.path.display()))
            .because(error)
            .remedy(remedy)
    }
}

/// Size of a file, 0 if there is none.
fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// `SQLite` takes a file that is shorter than a page for a new database.
fn check_size(path: &Path) -> Result<(), Unfit> {
    match size_of(path) {
        0 | LEAST_SIZE.. => Ok(()),
        _ if size_of(&with(path, "-wal")) > 0 => Ok(()),
        size => Err(Unfit::Damaged(format!("the file has only {}", counted(size, "byte")))),
    }
}

/// Whether jobs have written into the folder of outputs.
fn has_outputs(data_dir: &Path) -> bool {
    fs::read_dir(data_dir.join("outputs")).is_ok_and(|mut entries| entries.next().is_some())
}

/// `path` with `ending` after its name.
fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// How thoroughly a database is checked when it is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Open,
    EveryPage,
}

fn connect(path: &Path, depth: Depth) -> Result<Connection, Unfit> {
    let connection = Connection::open(path)?;
    // SQLite gives the files beside it the same permissions
    make_private(path);
    connection.busy_timeout(PATIENCE)?;
    schema::check(&connection)?;
    // allows readers beside one writer; SQLite falls back to another mode if the file system does not support it
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // there is one commit per job, so the cost of a sync is negligible, and failed jobs are recorded nowhere else
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(&connection)?;
    if depth == Depth::EveryPage {
        let found = problems(&connection)?;
        if !found.is_empty() {
            return Err(Unfit::Damaged(found.join("; ")));
        }
    }
    Ok(connection)
}

fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // a few problems are enough
    let mut statement = connection.prepare("PRAGMA integrity_check(3)")?;
    let lines = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>();
    match lines {
        Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
        Err(error) if schema::is_damage(&error) => Ok(vec![error.to_string()]),
        Err(error) => Err(error),
    }
}

/// Renames the database and its companion files to the first free `.damaged-N`.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let mut number = 1;
    let mut aside = with(path, ".damaged-1");
    while aside.exists() {
        number += 1;
        aside = with(path, &format!(".damaged-{number}"));
    }
    for ending in BESIDE {
        let part = with(path, ending);
        if part.exists() {
            fs::rename(part, with(&aside, ending))?;
        }
    }
    Ok(aside)
}

fn refusal(path: &Path, unfit: Unfit) -> Error {
    let path = path.display();
    match unfit {
        Unfit::Newer(version) => Error::new(
            Kind::Io,
            format!("The history has version {version}, and this program supports up to {VERSION}: {path}"),
        )
        .remedy("Use the newer Wandeck that wrote it, or choose another --data-dir; the file is unchanged"),
        Unfit::Damaged(why) => {
            Error::new(Kind::Io, format!("The history is damaged ({why}) and cannot be renamed: {path}"))
                .remedy("Move the file to another folder; a new history is created")
        }
        Unfit::Failed(error) => Error::new(Kind::Io, format!("Cannot open the history {path}"))
            .because(error)
            .remedy("Check the free disk space and the permissions of the data folder"),
    }
}

fn no_folder(data_dir: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("Cannot write to the data folder {}", data_dir.display()))
        .because(error)
        .remedy("Choose another one with --data-dir or WANDECK_DATA_DIR")
}
