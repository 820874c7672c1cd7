//! Carries a search on: one program at a time, with everything on disk before the next trial is added.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::decide::{Decision, SearchEnd, SearchWait, decide};
use super::definition::Goal;
use super::measure;
use super::preview::{is_hopeless, preview_psnr};
use super::trial::{Trial, losses};
use crate::attempt::saved_preview;
use crate::core::{Error, Kind, Result};
use crate::jobs::{HistoryEntry, Job, JobId, JobSpec, JobStatus};
use crate::library::{History, Ratings};
use crate::plan::{JobOptions, Planner};
use crate::store::HeldLock;
use crate::sweep::cell::Cell;
use crate::sweep::jobs::job_of_cell;
use crate::sweep::results::{CellResult, SweepTable, collect};
use crate::sweep::store::{SweepRecord, SweepStore};

/// Acts that change the record alone, before a job is needed.
const ACTS: usize = 8;

/// What the queue has to do for a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchCommands {
    /// Jobs to add.
    pub submit: Vec<JobSpec>,
    /// Jobs to resume.
    pub resume: Vec<JobId>,
    /// Jobs to cancel.
    pub cancel: Vec<JobId>,
}

/// Where a search is.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchProgress {
    /// The queue has to do this, then the search goes on.
    Commands(SearchCommands),
    /// A trial is queued or runs.
    Running,
    /// The user has to do something.
    Waiting(SearchWait),
    /// There are no further trials.
    Ended(SearchEnd),
}

/// Why a program takes a search on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStart {
    /// It is new, and its first jobs are being added.
    New,
    /// It had not ended when its program did.
    Found,
    /// The user asks for it: a cancelled trial runs again, and a paused one goes on.
    Continued,
}

/// Carries one search on; while it lives, no other program does.
#[derive(Debug)]
pub struct SearchDriver {
    store: SweepStore,
    data_dir: PathBuf,
    id: String,
    start: Option<SearchStart>,
    /// What the queue was asked last and may not have done yet.
    asked: Asked,
    _lock: HeldLock,
}

/// What the queue was asked.
#[derive(Debug, Default)]
struct Asked {
    /// Places of cells that get a job.
    submitted: Vec<Vec<u32>>,
    resumed: Vec<JobId>,
    cancelled: Vec<JobId>,
}

/// What is known of a search at one time.
struct State<'a> {
    record: SweepRecord,
    table: SweepTable,
    entries: Vec<HistoryEntry>,
    ratings: Ratings,
    jobs: &'a [Job],
}

impl SearchDriver {
    /// Takes on the search with this id. The inner `Err` is the name of the program that carries it on already.
    pub fn take(data_dir: &Path, id: &str, who: &str, start: SearchStart) -> Result<Result<Self, String>> {
        let store = SweepStore::new(data_dir);
        let held = HeldLock::attempt(&store.lock_path(id), who)?;
        Ok(held.map(|lock| Self {
            store,
            data_dir: data_dir.to_path_buf(),
            id: id.to_owned(),
            start: Some(start),
            asked: Asked::default(),
            _lock: lock,
        }))
    }

    /// The id of the search.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Carries the search on as far as the `jobs` of the queue allow. Measures videos: call it where waiting is allowed.
    pub fn advance(
        &mut self,
        jobs: &[Job],
        planner: &Planner,
        options: &JobOptions,
    ) -> Result<SearchProgress> {
        for _ in 0..ACTS {
            let mut state = self.state(jobs)?;
            if self.start == Some(SearchStart::New) {
                self.asked.submitted = state.record.cells.iter().map(|cell| cell.place.clone()).collect();
                self.start = None;
            }
            if !self.is_answered(&state) {
                return Ok(SearchProgress::Running);
            }
            self.asked = Asked::default();
            self.measure(&mut state)?;
            let Some(search) = state.record.sweep.search else {
                return Err(Error::new(Kind::Input, format!("The sweep {} is no search", state.record.name))
                    .field("sweep"));
            };
            let stars = |cell: &CellResult| cell.uid.as_ref().map_or(0, |uid| state.ratings.of(uid));
            let cells: Vec<_> = state.table.cells.iter().map(|cell| (cell, stars(cell))).collect();
            let is_continued = self.start == Some(SearchStart::Continued);
            let decision = decide(&search, &state.record.cells, &cells, is_continued);
            let progress = match decision {
                Decision::Submit(cells) => Some(self.submit(&state, &cells, planner, options)?),
                Decision::Resume(cells) => Some(self.resume(&state, &cells)),
                Decision::Check(cell) => self.check(&state, cell)?,
                Decision::Stop(cell) => Some(self.stop(&state, cell)),
                Decision::Propose => self.propose(&state, planner)?,
                Decision::Run => Some(SearchProgress::Running),
                Decision::Wait(wait) => Some(SearchProgress::Waiting(wait)),
                Decision::End(end) => Some(SearchProgress::Ended(end)),
            };
            if let Some(progress) = progress {
                return Ok(progress);
            }
        }
        Ok(SearchProgress::Running)
    }

    fn state<'a>(&self, jobs: &'a [Job]) -> Result<State<'a>> {
        let record = self.store.find(&self.id)?;
        let entries = if History::path_in(&self.data_dir).exists() {
            History::open(&self.data_dir)?.0.of_group(&self.id)?
        } else {
            Vec::new()
        };
        let with_status = jobs.iter().map(|job| (job, JobStatus::of(job, false)));
        let table = collect(&record, with_status, &entries);
        Ok(State { record, table, entries, ratings: Ratings::load(&self.data_dir)?, jobs })
    }

    /// Whether the queue has done what it was asked.
    fn is_answered(&self, state: &State<'_>) -> bool {
        let status = |job: &JobId| {
            state.jobs.iter().find(|known| known.id == *job).map(|job| JobStatus::of(job, false))
        };
        let has_job = |place: &Vec<u32>| {
            let cell = state.table.cells.iter().find(|cell| cell.place == *place);
            cell.and_then(|cell| cell.status).is_some_and(|status| status != JobStatus::Cancelled)
        };
        self.asked.submitted.iter().all(has_job)
            && self.asked.resumed.iter().all(|job| status(job) != Some(JobStatus::Paused))
            && self.asked.cancelled.iter().all(|job| {
                status(job).is_none_or(|status| {
                    matches!(status, JobStatus::Cancelled | JobStatus::Done | JobStatus::Failed)
                })
            })
    }

    /// Measures the finished trials that were not measured yet, and saves that.
    fn measure(&self, state: &mut State<'_>) -> Result<()> {
        let Some(Goal::Fastest { metric, .. }) = state.record.sweep.search.map(|search| search.goal) else {
            return Ok(());
        };
        let entry_of = |cell: &CellResult| state.entry(cell);
        let Some(reference) = state.table.cells.first().and_then(entry_of) else { return Ok(()) };
        let mut measured = Vec::new();
        for (recorded, cell) in state.record.cells.iter().zip(&state.table.cells) {
            if cell.status != Some(JobStatus::Done) || recorded.trial.difference.is_some() {
                continue;
            }
            let Some(entry) = state.entry(cell) else { continue };
            let mut note = recorded.trial;
            note.seconds = measure::seconds(&entry);
            note.difference = Some(measure::difference(&reference, &entry, metric)?);
            measured.push((cell.place.clone(), note));
        }
        if !measured.is_empty() {
            state.record = self.store.update(&self.id, |record| {
                for (place, note) in &measured {
                    record.note(place, *note);
                }
            })?;
        }
        Ok(())
    }

    fn submit(
        &mut self,
        state: &State<'_>,
        cells: &[usize],
        planner: &Planner,
        options: &JobOptions,
    ) -> Result<SearchProgress> {
        let record = &state.record;
        let preset = |name: &str| planner.catalog().preset(name).cloned();
        let mut commands = SearchCommands::default();
        for &index in cells {
            let Some(recorded) = record.cells.get(index) else { continue };
            let cell = record.sweep.cell_at(&recorded.place, &record.base, &preset)?;
            commands.submit.push(job_of_cell(planner, record, index + 1, &cell, options)?);
            self.asked.submitted.push(recorded.place.clone());
        }
        self.start = None;
        Ok(SearchProgress::Commands(commands))
    }

    fn resume(&mut self, state: &State<'_>, cells: &[usize]) -> SearchProgress {
        let of_cell = |index: &usize| state.table.cells.get(*index)?.job;
        let resume: Vec<_> = cells.iter().filter_map(of_cell).collect();
        self.asked.resumed.clone_from(&resume);
        self.start = None;
        SearchProgress::Commands(SearchCommands { resume, ..SearchCommands::default() })
    }

    fn stop(&mut self, state: &State<'_>, cell: usize) -> SearchProgress {
        let cancel: Vec<_> = state.table.cells.get(cell).and_then(|cell| cell.job).into_iter().collect();
        self.asked.cancelled.clone_from(&cancel);
        SearchProgress::Commands(SearchCommands { cancel, ..SearchCommands::default() })
    }

    /// Compares the preview of a paused trial with the reference; it goes on or is stopped.
    fn check(&mut self, state: &State<'_>, index: usize) -> Result<Option<SearchProgress>> {
        let (Some(recorded), Some(cell)) = (state.record.cells.get(index), state.table.cells.get(index))
        else {
            return Ok(None);
        };
        let reference = state.table.cells.first().and_then(|cell| cell.output.clone());
        let job = state.jobs.iter().find(|job| Some(job.id) == cell.job);
        let preview = match job {
            Some(job) => saved_preview(&self.data_dir, &job.spec, &job.uid)?,
            None => None,
        };
        let psnr = match (preview, reference) {
            (Some(preview), Some(reference)) => preview_psnr(&preview, &reference)?,
            _ => None,
        };
        let mut note = recorded.trial;
        (note.is_checked, note.preview_psnr) = (true, psnr);
        if let (Some(psnr), Some(search)) = (psnr, state.record.sweep.search) {
            note.is_stopped = is_hopeless(psnr, search.goal, &state.trials());
        }
        let place = cell.place.clone();
        self.store.update(&self.id, |record| record.note(&place, note))?;
        // a stopped one is cancelled when that is on disk
        Ok((!note.is_stopped).then(|| self.resume(state, &[index])))
    }

    /// Chooses the next trial, and saves it; its job is added after that. Ends the search if nothing is left.
    fn propose(&self, state: &State<'_>, planner: &Planner) -> Result<Option<SearchProgress>> {
        let preset = |name: &str| planner.catalog().preset(name).cloned();
        let Some(cell) = state.next_cell(&preset)? else {
            return Ok(Some(SearchProgress::Ended(SearchEnd::SpaceTried)));
        };
        self.store.update(&self.id, |record| record.push(cell))?;
        Ok(None)
    }
}

impl State<'_> {
    /// The history entry of a cell, from the queue or the history.
    fn entry(&self, cell: &CellResult) -> Option<HistoryEntry> {
        let uid = cell.uid.as_ref()?;
        let of_queue = self.jobs.iter().find(|job| job.uid == *uid).and_then(|job| job.ended());
        of_queue.or_else(|| self.entries.iter().find(|entry| entry.id == *uid)).cloned()
    }

    /// The trials that have a job; the reference is none.
    fn trials(&self) -> Vec<Trial<'_>> {
        let cells = self.record.cells.iter().zip(&self.table.cells);
        cells
            .filter(|(recorded, _)| !recorded.place.is_empty())
            .filter_map(|(recorded, cell)| {
                Some(Trial {
                    place: &recorded.place,
                    note: recorded.trial,
                    status: cell.status?,
                    stars: cell.uid.as_ref().map_or(0, |uid| self.ratings.of(uid)),
                })
            })
            .collect()
    }

    fn next_cell(&self, preset: &crate::sweep::sweep::FindPreset<'_>) -> Result<Option<Cell>> {
        let Some(search) = self.record.sweep.search else { return Ok(None) };
        let trials = self.trials();
        let known: Vec<_> = trials
            .iter()
            .zip(losses(search.goal, &trials))
            .filter_map(|(trial, loss)| Some((trial.place, loss?)))
            .collect();
        let cells = self.record.cells.iter().map(|cell| cell.place.clone());
        let tried: BTreeSet<_> = cells.filter(|place| !place.is_empty()).collect();
        self.record.sweep.next_cell(&self.record.base, preset, &tried, &known)
    }
}
