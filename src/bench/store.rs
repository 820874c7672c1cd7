//! Measurements that are kept in the data folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::report::BenchReport;
use crate::core::{Bytes, Error, Kind, Result, read_bounded};
use crate::store::{HeldLock, write_whole};

/// How the folder of a measurement that goes on begins.
const WORK: &str = "work-";
/// Largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);

/// The measurements of a data folder, one file each.
#[derive(Clone, Debug)]
pub struct BenchStore {
    dir: PathBuf,
}

/// The folder of a measurement that goes on. No other program measures while it lives.
pub(super) struct WorkFolder {
    folder: tempfile::TempDir,
    _lock: HeldLock,
}

impl WorkFolder {
    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The measurements of a data folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BenchList {
    /// The measurements, oldest first.
    pub results: Vec<BenchReport>,
    /// Files that cannot be read, as sentences.
    pub warnings: Vec<String>,
}

impl BenchStore {
    /// The measurements of `data_dir`. Nothing is read yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("bench") }
    }

    /// Keeps `report` under the next number, which it gets.
    pub fn add(&self, report: &mut BenchReport) -> Result<()> {
        report.number = self.numbers()?.last().map_or(1, |last| last + 1);
        let bytes = serde_json::to_vec_pretty(report)
            .map_err(|error| Error::new(Kind::Bug, "Cannot write a measurement").because(error))?;
        write_whole(&self.file(report.number), &bytes)
    }

    /// A folder for the files of one measurement, which is removed when the result is dropped. What a program that was
    /// killed left is removed now. Fails if another program measures.
    pub(super) fn work_folder(&self) -> Result<WorkFolder> {
        let unwritable = |error| {
            Error::new(Kind::Io, format!("Cannot write to {}", self.dir.display()))
                .because(error)
                .remedy("Choose another folder with --data-dir")
        };
        let lock = HeldLock::attempt(&self.dir.join("work.lock"), "wandeck bench")?.map_err(|holder| {
            Error::new(Kind::Input, format!("{holder} measures this machine already"))
                .remedy("Wait until it has ended: two measurements at once slow each other down")
        })?;
        for entry in fs::read_dir(&self.dir).map_err(unwritable)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(WORK)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!("The files of an earlier measurement stay: {error}");
            }
        }
        let folder = tempfile::Builder::new().prefix(WORK).tempdir_in(&self.dir).map_err(unwritable)?;
        Ok(WorkFolder { folder, _lock: lock })
    }

    /// All measurements.
    pub fn list(&self) -> Result<BenchList> {
        let mut list = BenchList::default();
        for number in self.numbers()? {
            match self.load(number) {
                Ok(report) => list.results.push(report),
                Err(error) => list.warnings.push(error.to_string()),
            }
        }
        Ok(list)
    }

    /// The measurement with this number.
    pub fn load(&self, number: u32) -> Result<BenchReport> {
        let path = self.file(number);
        let bytes = read_bounded(&path, MAX_FILE).map_err(|error| {
            Error::new(Kind::Input, format!("There is no measurement {number} in the data folder"))
                .because(error)
                .remedy("See wandeck bench list for the numbers")
        })?;
        let report: BenchReport = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(Kind::Io, format!("The measurement {number} is damaged: {}", path.display()))
                .because(error)
                .remedy("Delete the file and measure again")
        })?;
        Ok(BenchReport { number, ..report })
    }

    fn file(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number}.json"))
    }

    fn numbers(&self) -> Result<Vec<u32>> {
        let failed = |error| {
            Error::new(Kind::Io, format!("Cannot read the folder {}", self.dir.display())).because(error)
        };
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}
