//! From a sweep to the jobs of its cells.

use std::path::{Path, PathBuf};

use super::cell::Cell;
use super::search::GuidedSearch;
use super::store::SweepRecord;
use super::sweep::{Sweep, SweepBase};
use crate::core::{Draft, Error, Result};
use crate::jobs::{HistoryEntry, JobGroup, JobSpec};
use crate::media::Existing;
use crate::plan::{Base, JobOptions, PlanRequest, Planner};

/// Longest part of a file name that says what a cell is, in characters.
const LONGEST_NAME: usize = 60;

/// A sweep that can be started: its record, and a job for each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPlan {
    /// The record, which is saved before the jobs are added.
    pub record: SweepRecord,
    /// The jobs, in the order of the record's cells.
    pub specs: Vec<JobSpec>,
}

impl SweepPlan {
    /// Plans a sweep. `given` is the draft that a sweep without base starts from; `options` are those of every job,
    /// whose output is the folder of the videos.
    pub fn new(planner: &Planner, sweep: Sweep, given: &Draft, options: &JobOptions) -> Result<Self> {
        let preset = |name: &str| planner.catalog().preset(name).cloned();
        let base = sweep.base_draft(given, &preset)?;
        let cells = match &sweep.search {
            Some(search) => sweep.first_cells(search, &base, &preset)?,
            None => sweep.cells(&base, &preset)?,
        };
        let id = HistoryEntry::new_id();
        let mut sweep = sweep;
        if sweep.name.trim().is_empty() {
            sweep.name = sweep.axes.iter().map(super::axis::Axis::title).collect::<Vec<_>>().join(" × ");
        }
        // complete, so that it makes the same cells again wherever it is taken
        sweep.base = SweepBase { draft: Some(Box::new(base.clone())), ..SweepBase::default() };
        let folder = options.output.clone().unwrap_or_else(|| {
            let tail = id.get(id.len().saturating_sub(6)..).unwrap_or(&id);
            planner.folders().data.join("outputs").join(format!("{}-{tail}", in_file_name(&sweep.name)))
        });
        // a record is read from other working folders
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let mut plan = Self { record: SweepRecord::new(id, sweep, base, folder), specs: Vec::new() };
        if plan.record.sweep.search.is_some() {
            // a wrong value is reported now, not when the search comes to it
            for cell in plan.record.sweep.cells_of_each_value(&plan.record.base, &preset)? {
                job_of_cell(planner, &plan.record, 1, &cell, options)?;
            }
        }
        let mut boundaries: Vec<Option<f32>> = Vec::new();
        for cell in &cells {
            if !boundaries.contains(&cell.draft.boundary) {
                boundaries.push(cell.draft.boundary);
            }
        }
        for (index, cell) in cells.into_iter().enumerate() {
            plan.specs.push(job_of_cell(planner, &plan.record, index + 1, &cell, options)?);
            plan.record.push(cell);
        }
        if boundaries.len() > 1 {
            for group in plan.specs.iter_mut().filter_map(|spec| spec.group.as_mut()) {
                group.boundaries.clone_from(&boundaries);
            }
        }
        Ok(plan)
    }
}

/// The job of the cell with this number, counted from 1, in the group of its sweep.
pub(super) fn job_of_cell(
    planner: &Planner,
    record: &SweepRecord,
    number: usize,
    cell: &Cell,
    options: &JobOptions,
) -> Result<JobSpec> {
    let search = record.sweep.search.as_ref();
    let group = JobGroup {
        id: record.id.clone(),
        name: record.name.clone(),
        cell: cell.place.clone(),
        is_timed: search.is_some_and(GuidedSearch::has_reference),
        boundaries: Vec::new(),
    };
    let check = search.filter(|_| !cell.place.is_empty()).and_then(|search| search.check_step(&cell.draft));
    let spec = job(planner, cell, &record.folder.join(file_name(number, cell)), options)?;
    Ok(JobSpec { group: Some(group), draft_steps: record.sweep.draft_steps.or(check), ..spec })
}

/// The job of a cell. An error names the cell.
fn job(planner: &Planner, cell: &Cell, output: &Path, options: &JobOptions) -> Result<JobSpec> {
    let base = Base::Draft { draft: Box::new(cell.draft.clone()), reason: "the sweep chose it".to_owned() };
    let options = JobOptions {
        output: Some(output.to_path_buf()),
        existing: Some(Existing::NextFree),
        ..options.clone()
    };
    let planned = planner.plan(&PlanRequest { base, options, ..PlanRequest::default() });
    planned.map(|planned| planned.spec).map_err(|error| {
        let message = format!("The cell {}: {}", cell.label(), error.message);
        let mut error: Error = error;
        error.message = message;
        error
    })
}

/// "03-guidance_low-2-seed-7.mp4".
fn file_name(number: usize, cell: &Cell) -> PathBuf {
    PathBuf::from(format!("{number:02}-{}.mp4", in_file_name(&cell.label())))
}

/// Text without what a file name cannot hold on some system.
fn in_file_name(text: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || "._".contains(letter) { letter } else { '-' };
    let mut name = String::new();
    for letter in text.chars().map(safe).take(LONGEST_NAME) {
        if letter != '-' || !name.ends_with('-') {
            name.push(letter);
        }
    }
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "sweep".to_owned() } else { name.to_owned() }
}
