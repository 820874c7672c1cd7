//! The sweeps of a data folder: a RON file for each, with its definition and what the user marked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cell::{Cell, label};
use super::field::SweepField;
use super::search::TrialNote;
use super::sweep::Sweep;
use crate::core::{Bytes, Draft, Error, Kind, Result, Utc, read_text_bounded};
use crate::store::{HeldLock, create_folder, write_whole};

const FOLDER: &str = "sweeps";
/// Lock that is held while a saved sweep is changed.
const CHANGES: &str = "changes.lock";
/// Version of the file format.
const VERSION: u32 = 1;
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(64 << 20);

/// A sweep that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// Version of the file format, 1.
    version: u32,
    /// Identifies it among all sweeps anywhere; also the id of the group of its jobs.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was started.
    pub created: Utc,
    /// Its definition.
    pub sweep: Sweep,
    /// The settings that every cell started from.
    pub base: Draft,
    /// The folder of its videos.
    pub folder: PathBuf,
    /// Its cells, in the order in which they run.
    pub cells: Vec<RecordedCell>,
    /// Places of the cells that are shown first.
    #[serde(default)]
    pub pinned: BTreeSet<Vec<u32>>,
    /// Places of the cells that are not shown any more.
    #[serde(default)]
    pub dropped: BTreeSet<Vec<u32>>,
    /// Place of the cell that the others are compared with.
    #[serde(default)]
    pub reference: Option<Vec<u32>>,
}

/// A cell of a sweep that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedCell {
    /// Its place on each axis.
    pub place: Vec<u32>,
    /// What the axes set.
    pub values: Vec<(SweepField, String)>,
    /// What a search found out about it.
    #[serde(default, skip_serializing_if = "is_empty_note")]
    pub trial: TrialNote,
}

fn is_empty_note(note: &TrialNote) -> bool {
    *note == TrialNote::default()
}

impl RecordedCell {
    /// The fields that the axes set, with their values.
    pub fn label(&self) -> String {
        label(&self.values)
    }
}

impl SweepRecord {
    /// A record with these cells, for tests of those who show it.
    #[cfg(test)]
    pub(crate) fn example(name: &str, draft: &Draft, cells: &[super::CellResult]) -> Self {
        let sweep = Sweep { name: name.to_owned(), ..Sweep::with_axes(Vec::new()) };
        let cells = cells.iter().map(|cell| RecordedCell {
            place: cell.place.clone(),
            values: cell.values.clone(),
            trial: TrialNote::default(),
        });
        Self {
            cells: cells.collect(),
            ..Self::new("s".to_owned(), sweep, draft.clone(), PathBuf::from("videos"))
        }
    }

    /// Adds a cell at the end.
    pub(super) fn push(&mut self, cell: Cell) {
        let Cell { place, values, .. } = cell;
        self.cells.push(RecordedCell { place, values, trial: TrialNote::default() });
    }

    /// Whether it is a search that may have further trials, or trials that were not measured yet.
    pub fn is_open_search(&self) -> bool {
        let Some(search) = &self.sweep.search else { return false };
        let wanted = search.trials as usize + usize::from(search.has_reference());
        let is_known = |cell: &RecordedCell| cell.trial.difference.is_some() || cell.trial.is_stopped;
        self.cells.len() < wanted || (search.has_reference() && !self.cells.iter().all(is_known))
    }

    /// Keeps what a search found out about the cell at `place`.
    pub(super) fn note(&mut self, place: &[u32], note: TrialNote) {
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.place == place) {
            cell.trial = note;
        }
    }

    /// A record without cells.
    pub(super) fn new(id: String, sweep: Sweep, base: Draft, folder: PathBuf) -> Self {
        Self {
            version: VERSION,
            id,
            name: sweep.name.clone(),
            created: Utc::now(),
            sweep,
            base,
            folder,
            cells: Vec::new(),
            pinned: BTreeSet::new(),
            dropped: BTreeSet::new(),
            reference: None,
        }
    }
}

/// The sweeps of a data folder.
#[derive(Clone, Debug)]
pub struct SweepStore {
    folder: PathBuf,
}

impl SweepStore {
    /// The sweeps of a data folder. Their folder is created with the first one.
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER) }
    }

    /// Saves a new sweep.
    pub fn save(&self, record: &SweepRecord) -> Result<()> {
        self.write(record)
    }

    /// Changes the saved sweep with this id and returns it. Several programs may do so at the same time.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut SweepRecord)) -> Result<SweepRecord> {
        let _lock = HeldLock::wait(&self.folder.join(CHANGES))?;
        let mut record = read(&self.path(id))?;
        change(&mut record);
        self.write(&record)?;
        Ok(record)
    }

    /// The lock of the program that carries on the search with this id.
    pub(super) fn lock_path(&self, id: &str) -> PathBuf {
        self.folder.join(id).with_extension("lock")
    }

    fn write(&self, record: &SweepRecord) -> Result<()> {
        let text = ron::ser::to_string_pretty(record, ron::ser::PrettyConfig::default())
            .map_err(|error| Error::new(Kind::Bug, "Cannot encode the sweep as RON").because(error))?;
        create_folder(&self.folder).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot create the folder {}", self.folder.display()))
                .because(error)
                .remedy("Free disk space, or choose another data folder")
        })?;
        write_whole(&self.path(&record.id), text.as_bytes())
    }

    /// The sweep with this id, or the newest one with this name.
    pub fn find(&self, name: &str) -> Result<SweepRecord> {
        let (all, _) = self.list();
        let found = all
            .iter()
            .find(|record| record.id == name)
            .or_else(|| all.iter().find(|record| record.name == name));
        found.cloned().ok_or_else(|| {
            Error::new(Kind::Input, format!("There is no sweep \"{name}\""))
                .field("sweep")
                .remedy("\"wandeck sweep --list\" shows all")
        })
    }

    /// All sweeps, the newest first, and an error for each file that is none. An invalid file hides no other.
    pub fn list(&self) -> (Vec<SweepRecord>, Vec<Error>) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return (Vec::new(), Vec::new()) };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let (mut records, mut errors) = (Vec::new(), Vec::new());
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "ron")) {
            match read(&path) {
                Ok(record) => records.push(record),
                Err(error) => errors.push(error),
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse((record.created, record.id.clone())));
        (records, errors)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id).with_extension("ron")
    }
}

fn read(path: &Path) -> Result<SweepRecord> {
    let wrong = |why: String| {
        Error::new(Kind::Input, format!("{} is not a sweep of this version: {why}", path.display()))
            .field("sweep")
            .remedy("Remove the file, or use the version of the program that wrote it")
    };
    let text = read_text_bounded(path, MAX_FILE).map_err(|error| wrong(error.to_string()))?;
    let record: SweepRecord = ron::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if record.version != VERSION {
        return Err(wrong(format!("its version is {}", record.version)));
    }
    Ok(record)
}
