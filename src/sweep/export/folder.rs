//! Writes the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{html, sheet, table};
use crate::core::{Error, Kind, Result};
use crate::media::write_png;
use crate::store::{create_folder, write_whole};
use crate::sweep::results::{CellResult, SweepTable};
use crate::sweep::store::SweepRecord;

/// Name of the page.
const PAGE: &str = "index.html";
/// Name of the contact sheet.
const SHEET: &str = "contact-sheet.png";
/// Name of the table.
const TABLE: &str = "sweep.csv";
/// Name of the definition.
const DEFINITION: &str = "sweep.ron";
/// Folder of the videos.
const VIDEOS: &str = "videos";

/// An exported sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedSweep {
    /// The page to open.
    pub page: PathBuf,
    /// Number of videos.
    pub videos: usize,
    /// Why the contact sheet lacks images, one sentence each.
    pub notes: Vec<String>,
}

/// A cell with a video, and the name of its copy relative to the page.
pub(super) struct ExportedCell<'a> {
    pub(super) cell: &'a CellResult,
    pub(super) video: Option<String>,
}

/// Writes a sweep to `folder`, which may not exist yet or must be empty. Dropped cells are left out. Copies and decodes
/// every video: call it on a background thread.
pub fn export_sweep(record: &SweepRecord, results: &SweepTable, folder: &Path) -> Result<ExportedSweep> {
    let failed = |path: &Path, error: io::Error| {
        Error::new(Kind::Io, format!("Cannot write {}", path.display()))
            .because(error)
            .remedy("Free disk space, or choose another folder")
    };
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(Kind::Input, format!("The folder {} is not empty", folder.display()))
            .field("export")
            .remedy("Give the name of a new folder"));
    }
    let videos = folder.join(VIDEOS);
    create_folder(&videos).map_err(|error| failed(&videos, error))?;
    let mut cells = Vec::new();
    for cell in results.cells.iter().filter(|cell| !record.dropped.contains(&cell.place)) {
        let source = cell.output.as_deref().filter(|path| path.is_file());
        let video = match source.and_then(|path| Some((path, path.file_name()?.to_string_lossy()))) {
            Some((path, name)) => {
                let copy = videos.join(&*name);
                fs::copy(path, &copy).map_err(|error| failed(&copy, error))?;
                Some(format!("{VIDEOS}/{name}"))
            }
            None => None,
        };
        cells.push(ExportedCell { cell, video });
    }
    let (image, notes) = sheet::contact_sheet(folder, &cells, num_columns(record));
    write_png(&folder.join(SHEET), &image)?;
    write_whole(&folder.join(TABLE), table::csv(&results.fields, &cells).as_bytes())?;
    write_whole(&folder.join(DEFINITION), record.sweep.to_ron()?.as_bytes())?;
    let page = folder.join(PAGE);
    let html = html::page(record, &cells, num_columns(record), results.search.as_ref());
    write_whole(&page, html.as_bytes())?;
    Ok(ExportedSweep { page, videos: cells.iter().filter(|cell| cell.video.is_some()).count(), notes })
}

/// Columns of the grid: the values of the last axis, if every combination is made.
fn num_columns(record: &SweepRecord) -> usize {
    let is_grid = record.sweep.sampling == crate::sweep::Sampling::Grid && record.sweep.skip.is_empty();
    let last = record.sweep.axes.last().and_then(|axis| axis.own_values().ok()).map(|values| values.len());
    let square = (record.cells.len() as f64).sqrt().ceil() as usize;
    last.filter(|_| is_grid).unwrap_or(square).clamp(1, 12)
}
