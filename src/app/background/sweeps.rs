//! The sweeps of the data folder for the window: their records, what became of their cells, and the cells' videos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use eframe::egui::{Context, TextureId, Vec2};

use super::search_traces::SearchTraces;
use super::sweep_clips::{MAX_CLIPS, SweepClips};
use super::sweep_differences::SweepDifferences;
use super::sweep_planning::SweepPlanning;
use super::sweep_reading::{draft_preview, free_folder, read_entries};
use super::task::TaskThread;
use crate::core::{Error, Frame, Result, Waker};
use crate::jobs::{HistoryEntry, Job, JobId, JobStatus};
use crate::sweep::{
    CellDifference, CellResult, ExportedSweep, SearchTrace, SweepPlan, SweepRecord, SweepStore, SweepTable,
    collect, export_sweep,
};

/// What the thread found out.
enum SweepAnswer {
    Records(Vec<SweepRecord>, Vec<Error>),
    /// The record is on disk: its jobs can be added.
    Saved(Result<Box<SweepPlan>>),
    /// A changed record is on disk.
    Kept(Result<()>),
    Entries(String, Vec<HistoryEntry>, BTreeMap<String, u8>),
    Exported(ExportedSweep),
    Failed(Error),
}

/// What the window has to do after an answer.
pub(in crate::app) enum SweepNotice {
    /// Add the jobs of this sweep.
    Submit(Box<SweepPlan>),
    /// A sweep was exported.
    Exported(ExportedSweep),
    /// Something failed.
    Failed(Error),
}

/// The sweeps of the window.
pub(in crate::app) struct Sweeps {
    store: SweepStore,
    work: TaskThread<SweepAnswer>,
    planning: SweepPlanning,
    traces: SearchTraces,
    differences: SweepDifferences,
    records: Vec<SweepRecord>,
    open: Option<String>,
    entries: Vec<HistoryEntry>,
    /// What the entries were read for: the sweep and the library's revision.
    read: Option<(String, u64)>,
    table: Option<SweepTable>,
    /// Stars of the jobs that have some.
    stars: BTreeMap<String, u8>,
    queue: Arc<[Job]>,
    clips: SweepClips,
    data_dir: PathBuf,
    /// Whether the panel was seen at the last update.
    was_shown: bool,
    /// Whether the records are to be read: others may have changed them.
    needs_records: bool,
    /// Records that are being saved; what is read meanwhile may be older than what is shown.
    num_saving: usize,
    /// Receives the numbers of the jobs of started sweeps.
    submitted: Vec<Receiver<Result<Vec<JobId>>>>,
}

impl Sweeps {
    /// Starts the threads for a data folder; nothing is read before the panel is seen. `waker` makes a function that is
    /// called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: &dyn Fn() -> Waker) -> Result<Self> {
        Ok(Self {
            store: SweepStore::new(data_dir),
            work: TaskThread::start("sweeps", waker())?,
            planning: SweepPlanning::start(data_dir, waker)?,
            traces: SearchTraces::start(waker())?,
            differences: SweepDifferences::start(waker())?,
            records: Vec::new(),
            open: None,
            entries: Vec::new(),
            read: None,
            table: None,
            stars: BTreeMap::new(),
            queue: Arc::new([]),
            clips: SweepClips::start(waker())?,
            data_dir: data_dir.to_path_buf(),
            was_shown: false,
            needs_records: false,
            num_saving: 0,
            submitted: Vec::new(),
        })
    }

    /// All sweeps, the newest first.
    pub(in crate::app) fn records(&self) -> &[SweepRecord] {
        &self.records
    }

    /// The sweep in the grid, and what became of its cells.
    pub(in crate::app) fn open(&self) -> Option<(&SweepRecord, &SweepTable)> {
        Some((self.record()?, self.table.as_ref()?))
    }

    fn record(&self) -> Option<&SweepRecord> {
        self.records.iter().find(|record| Some(&record.id) == self.open.as_ref())
    }

    /// The current frame of a cell.
    pub(in crate::app) fn frame(&self, place: &[u32]) -> Option<(TextureId, Vec2)> {
        self.clips.frame(place)
    }

    /// Stars of the job with this id.
    pub(in crate::app) fn stars(&self, uid: &str) -> u8 {
        self.stars.get(uid).copied().unwrap_or_default()
    }

    /// The sweep that is typed.
    pub(in crate::app) fn planning(&self) -> &SweepPlanning {
        &self.planning
    }

    /// The sweep that is typed, to change it.
    pub(in crate::app) fn planning_mut(&mut self) -> &mut SweepPlanning {
        &mut self.planning
    }

    /// Saves the record of the planned sweep; its jobs are added when it is on disk.
    pub(in crate::app) fn start_planned(&mut self) {
        let Some(plan) = self.planning.take() else { return };
        let store = self.store.clone();
        self.save(move || SweepAnswer::Saved(store.save(&plan.record).map(|()| Box::new(plan))));
    }

    /// Has the thread save a record; its answer is counted.
    fn save(&mut self, work: impl FnOnce() -> SweepAnswer + Send + 'static) {
        self.num_saving += usize::from(self.work.submit(work));
    }

    /// Waits until the jobs of a started sweep are saved.
    pub(in crate::app) fn submitted(&mut self, answer: Receiver<Result<Vec<JobId>>>) {
        self.submitted.push(answer);
    }

    /// Shows another sweep in the grid.
    pub(in crate::app) fn show(&mut self, id: String) {
        if self.open.as_ref() != Some(&id) {
            (self.open, self.read, self.table) = (Some(id), None, None);
            self.entries.clear();
            self.queue = Arc::new([]);
        }
    }

    /// Changes the marks of the record in the grid, and saves them.
    pub(in crate::app) fn change(&mut self, change: impl FnOnce(&mut SweepRecord)) {
        let open = self.open.clone();
        let Some(record) = self.records.iter_mut().find(|record| Some(&record.id) == open.as_ref()) else {
            return;
        };
        change(record);
        let (id, marked) = (record.id.clone(), record.clone());
        let store = self.store.clone();
        // the marks alone: a search may add cells meanwhile
        let mark = move |saved: &mut SweepRecord| {
            (saved.pinned, saved.dropped) = (marked.pinned, marked.dropped);
            saved.reference = marked.reference;
        };
        let keep = move || store.update(&id, mark);
        self.save(move || SweepAnswer::Kept(keep().map(drop)));
    }

    /// Writes the sweep in the grid to a new folder beside its videos.
    pub(in crate::app) fn export(&self) {
        let Some((record, table)) = self.open() else { return };
        // the page shows the trials of a search, too
        let table = SweepTable { search: self.trace().cloned(), ..table.clone() };
        let record = record.clone();
        self.work.submit(move || {
            let folder = free_folder(&record.folder);
            export_sweep(&record, &table, &folder).map_or_else(SweepAnswer::Failed, SweepAnswer::Exported)
        });
    }

    /// Takes the preview of a job, if it is a cell of the sweep in the grid.
    pub(in crate::app) fn preview(&mut self, job: JobId, frames: &[Frame]) {
        let cell = self.table.iter().flat_map(|table| &table.cells).find(|cell| cell.job == Some(job));
        let Some(place) = cell.map(|cell| cell.place.clone()) else { return };
        self.clips.preview(place, frames);
    }

    /// Takes in answers; follows queue and history while the panel is seen. `revision` is the library's.
    pub(in crate::app) fn update(
        &mut self,
        queue: &Arc<[Job]>,
        revision: u64,
        is_shown: bool,
    ) -> Vec<SweepNotice> {
        let mut notices: Vec<_> = self.clips.drain().into_iter().map(SweepNotice::Failed).collect();
        self.planning.drain();
        self.traces.drain();
        self.differences.drain();
        while let Some(answer) = self.work.poll() {
            let answer = answer.unwrap_or_else(SweepAnswer::Failed);
            notices.extend(self.take(answer));
        }
        self.submitted.retain(|answer| match answer.try_recv() {
            Ok(accepted) => {
                notices.extend(accepted.err().map(SweepNotice::Failed));
                false
            }
            Err(waiting) => waiting.is_empty(),
        });
        self.needs_records |= is_shown && !self.was_shown;
        self.was_shown = is_shown;
        if !is_shown {
            return notices;
        }
        if self.needs_records && self.num_saving == 0 {
            let store = self.store.clone();
            let read = move || {
                let (records, errors) = store.list();
                SweepAnswer::Records(records, errors)
            };
            self.needs_records = !self.work.submit(read);
        }
        let Some(id) = self.open.clone() else { return notices };
        self.clips.change_to(&id);
        if self.read.as_ref() != Some(&(id.clone(), revision)) {
            self.read = Some((id.clone(), revision));
            let data_dir = self.data_dir.clone();
            self.work.submit(move || match read_entries(&data_dir, &id) {
                Ok((entries, stars)) => SweepAnswer::Entries(id, entries, stars),
                Err(error) => SweepAnswer::Failed(error),
            });
        }
        if self.table.is_none() || !Arc::ptr_eq(&self.queue, queue) {
            self.queue = Arc::clone(queue);
            self.tabulate();
            // another program may carry the search on
            self.needs_records |= self.record().is_some_and(|record| record.sweep.search.is_some());
        }
        self.request_clips();
        let is_open = |record: &&SweepRecord| Some(&record.id) == self.open.as_ref();
        if let (Some(record), Some(table)) = (self.records.iter().find(is_open), &self.table) {
            self.differences.ask(record, table, &self.entries);
        }
        notices
    }

    fn take(&mut self, answer: SweepAnswer) -> Option<SweepNotice> {
        match answer {
            SweepAnswer::Records(..) if self.num_saving > 0 => {
                // read before the save that is under way
                self.needs_records = true;
                None
            }
            SweepAnswer::Records(records, errors) => {
                self.records = records;
                self.tabulate();
                if self.open.is_none() {
                    self.open = self.records.first().map(|record| record.id.clone());
                }
                errors.into_iter().next().map(SweepNotice::Failed)
            }
            SweepAnswer::Saved(plan) => {
                self.num_saving = self.num_saving.saturating_sub(1);
                match plan {
                    Ok(plan) => {
                        self.records.insert(0, plan.record.clone());
                        self.show(plan.record.id.clone());
                        Some(SweepNotice::Submit(plan))
                    }
                    Err(error) => Some(SweepNotice::Failed(error)),
                }
            }
            SweepAnswer::Kept(kept) => {
                self.num_saving = self.num_saving.saturating_sub(1);
                let error = kept.err()?;
                // what is shown was not saved
                self.needs_records = true;
                Some(SweepNotice::Failed(error))
            }
            SweepAnswer::Entries(id, entries, stars) => {
                if self.open.as_ref() == Some(&id) {
                    (self.entries, self.stars) = (entries, stars);
                    self.tabulate();
                }
                None
            }
            SweepAnswer::Exported(exported) => Some(SweepNotice::Exported(exported)),
            SweepAnswer::Failed(error) => Some(SweepNotice::Failed(error)),
        }
    }

    fn tabulate(&mut self) {
        // not by a method: the traces are changed below
        let is_open = |record: &&SweepRecord| Some(&record.id) == self.open.as_ref();
        let Some(record) = self.records.iter().find(is_open) else { return };
        let jobs = self.queue.iter().map(|job| (job, JobStatus::of(job, false)));
        let table = collect(record, jobs, &self.entries);
        self.traces.ask(record, &table, &self.stars);
        self.table = Some(table);
    }

    /// What the search in the grid has found; none for a sweep that is no search.
    pub(in crate::app) fn trace(&self) -> Option<&SearchTrace> {
        self.traces.of(self.open.as_ref()?)
    }

    /// The difference of the job with this id to the reference of the sweep in the grid, if it was measured.
    pub(in crate::app) fn difference(&self, uid: &str) -> Option<Result<CellDifference, &Error>> {
        let (record, table) = self.open()?;
        self.differences.of(record, table, uid)
    }

    /// Reads the records again, because a search has added trials.
    pub(in crate::app) fn read_again(&mut self) {
        self.needs_records = true;
    }

    /// Requests the videos of the first cells in the order of the grid: pinned ones first.
    fn request_clips(&mut self) {
        let Some((record, table)) = self.open() else { return };
        let wanted = first_videos(record, table);
        self.clips.request(&wanted);
        // the previews of drafts from an earlier start of the program
        let Some(table) = &self.table else { return };
        for cell in table.cells.iter().filter(|cell| cell.is_draft) {
            if !self.clips.needs_preview(&cell.place) {
                continue;
            }
            let Some(job) = self.queue.iter().find(|job| Some(job.id) == cell.job) else { continue };
            let (data_dir, spec, uid) = (self.data_dir.clone(), job.spec.clone(), job.uid.clone());
            self.clips.request_preview(&cell.place, move || draft_preview(&data_dir, &spec, &uid));
        }
    }

    /// Shows the frame of each cell that is due on the common clock.
    pub(in crate::app) fn play(&mut self, ctx: &Context, now: Instant) {
        self.clips.play(ctx, now);
    }
}

/// The cells that were not dropped in the order of the grid: pinned ones first.
pub(in crate::app) fn shown_cells<'a>(record: &SweepRecord, table: &'a SweepTable) -> Vec<&'a CellResult> {
    let is_shown = |cell: &&CellResult| !record.dropped.contains(&cell.place);
    let mut cells: Vec<_> = table.cells.iter().filter(is_shown).collect();
    cells.sort_by_key(|cell| !record.pinned.contains(&cell.place));
    cells
}

/// The videos of the first cells in the order of the grid, by place.
fn first_videos(record: &SweepRecord, table: &SweepTable) -> BTreeMap<Vec<u32>, PathBuf> {
    let cells = shown_cells(record, table).into_iter().take(MAX_CLIPS);
    cells.filter_map(|cell| Some((cell.place.clone(), cell.output.clone()?))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::testing::draft;
    use crate::sweep::SweepField;

    fn cell(place: u32) -> CellResult {
        CellResult {
            place: vec![place],
            values: vec![(SweepField::Seed, place.to_string())],
            label: format!("seed {place}"),
            job: None,
            uid: None,
            status: None,
            is_draft: false,
            output: Some(PathBuf::from(format!("{place}.mp4"))),
            seconds: None,
            peak_mb: None,
            error: None,
            draft: None,
        }
    }

    fn started(cells: u32) -> (tempfile::TempDir, Sweeps) {
        let dir = tempfile::tempdir().unwrap();
        let cells: Vec<_> = (0..cells).map(cell).collect();
        SweepStore::new(dir.path()).save(&SweepRecord::example("seeds", &draft(), &cells)).unwrap();
        let sweeps = Sweeps::start(dir.path(), &|| Arc::new(|| {})).unwrap();
        (dir, sweeps)
    }

    fn update(sweeps: &mut Sweeps, is_shown: bool) {
        std::thread::park_timeout(Duration::from_millis(2));
        assert!(sweeps.update(&Arc::from([]), 0, is_shown).is_empty());
    }

    /// Follows what is seen until `done`; `always` holds all the time.
    fn wait(sweeps: &mut Sweeps, always: impl Fn(&Sweeps) -> bool, done: impl Fn(&Sweeps) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !done(sweeps) {
            assert!(Instant::now() < deadline, "it never came");
            update(sweeps, true);
            assert!(always(sweeps));
        }
    }

    #[test]
    fn nothing_is_read_before_the_panel_is_seen() {
        let (_dir, mut sweeps) = started(2);
        for _ in 0..50 {
            update(&mut sweeps, false);
        }
        assert!(sweeps.records().is_empty() && sweeps.open().is_none());
        wait(&mut sweeps, |_| true, |sweeps| sweeps.open().is_some());
        assert_eq!(sweeps.records()[0].name, "seeds");
    }

    #[test]
    fn a_mark_stays_while_another_is_saved() {
        let (dir, mut sweeps) = started(3);
        wait(&mut sweeps, |_| true, |sweeps| sweeps.open().is_some());
        for place in 0..3 {
            sweeps.change(|record| record.pinned.extend([vec![place]]));
        }
        let num_pinned = |record: &SweepRecord| record.pinned.len();
        let are_all_pinned = |sweeps: &Sweeps| num_pinned(&sweeps.records()[0]) == 3;
        wait(&mut sweeps, are_all_pinned, |sweeps| sweeps.num_saving == 0);
        let store = SweepStore::new(dir.path());
        let mut saved = store.list().0.remove(0);
        assert_eq!(num_pinned(&saved), 3);
        // as another program does it
        saved.dropped.insert(vec![1]);
        store.save(&saved).unwrap();
        update(&mut sweeps, false);
        wait(&mut sweeps, are_all_pinned, |sweeps| !sweeps.records()[0].dropped.is_empty());
    }

    #[test]
    fn pinned_cells_are_the_first_to_play() {
        let cells: Vec<_> = (0..40).map(cell).collect();
        let mut record = SweepRecord::example("seeds", &draft(), &cells);
        let table = collect(&record, std::iter::empty(), &[]);
        let table = SweepTable { cells, ..table };
        record.pinned.insert(vec![39]);
        record.dropped.insert(vec![0]);
        let videos = first_videos(&record, &table);
        assert_eq!(videos.len(), MAX_CLIPS);
        assert!(videos.contains_key([39].as_slice()) && videos.contains_key([1].as_slice()));
        assert!(!videos.contains_key([0].as_slice()));
    }
}
