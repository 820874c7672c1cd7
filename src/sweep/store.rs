//! The sweeps of a data folder: a RON file for each, with its definition and what the user marked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cell::label;
use super::field::SweepField;
use super::sweep::Sweep;
use crate::core::{Bytes, Draft, Error, Kind, Result, Utc, read_text_bounded};
use crate::store::{create_folder, write_whole};

const FOLDER: &str = "sweeps";
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
}

/// A cell of a sweep that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCell {
    /// Its place on each axis.
    pub place: Vec<u32>,
    /// What the axes set.
    pub values: Vec<(SweepField, String)>,
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
        let cells =
            cells.iter().map(|cell| RecordedCell { place: cell.place.clone(), values: cell.values.clone() });
        Self {
            cells: cells.collect(),
            ..Self::new("s".to_owned(), sweep, draft.clone(), PathBuf::from("videos"))
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

    /// Saves a sweep, or replaces the one with the same id.
    pub fn save(&self, record: &SweepRecord) -> Result<()> {
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
