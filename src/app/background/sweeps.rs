//! The sweeps of the data folder for the window: their records, what became of their cells, and the cells' videos, which
//! play in step on one clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2};

use super::newest::Newest;
use super::task::TaskThread;
use crate::core::{Draft, Error, Frame, Result, Waker};
use crate::jobs::{HistoryEntry, Job, JobId, JobStatus};
use crate::library::{History, Ratings};
use crate::media::{Reader, smaller};
use crate::sweep::{
    ExportedSweep, Sweep, SweepEstimate, SweepPlan, SweepRecord, SweepStore, SweepTable, collect, estimate,
    export_sweep,
};

/// Cells that play at once.
const MAX_CLIPS: usize = 16;
/// Longest side of a cell's frames in pixels; they are decoded once and stay in memory.
const SIDE: u32 = 192;
/// Frames of a cell that are kept.
const MAX_FRAMES: usize = 160;
/// Frames per second of a video that carries no rate, and of a preview: one image for four frames of video.
const DEFAULT_HZ: f64 = 16.0;
const PREVIEW_HZ: f64 = 4.0;
/// Time without a change of the form before the cost is estimated.
const REST: Duration = Duration::from_millis(300);

/// What the thread found out.
enum SweepAnswer {
    Records(Vec<SweepRecord>, Vec<Error>),
    /// The record is on disk: its jobs can be added.
    Saved(Box<SweepPlan>),
    Entries(String, Vec<HistoryEntry>, BTreeMap<String, u8>),
    Clip(Vec<u32>, PathBuf, Vec<ColorImage>, f64),
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

/// A video or preview of a cell.
struct Clip {
    /// The video; none for a preview.
    source: Option<PathBuf>,
    frames: Vec<ColorImage>,
    hz: f64,
    texture: Option<TextureHandle>,
    shown: Option<usize>,
}

/// The sweeps of the window.
pub(in crate::app) struct Sweeps {
    store: SweepStore,
    work: TaskThread<SweepAnswer>,
    estimator: Newest<SweepPlan, Result<SweepEstimate>>,
    records: Vec<SweepRecord>,
    open: Option<String>,
    entries: Vec<HistoryEntry>,
    /// What the entries were read for: the sweep and the library's revision.
    read: Option<(String, u64)>,
    table: Option<SweepTable>,
    /// Stars of the jobs that have some.
    stars: BTreeMap<String, u8>,
    queue: Arc<[Job]>,
    clips: BTreeMap<Vec<u32>, Clip>,
    began: Instant,
    data_dir: PathBuf,
    /// Receives the numbers of the jobs of started sweeps.
    submitted: Vec<Receiver<Result<Vec<JobId>>>>,
    /// The sweep that is typed, with the draft it was planned for.
    request: Option<Sweep>,
    planned: Option<(Sweep, Draft)>,
    plan: Option<Result<SweepPlan>>,
}

impl Sweeps {
    /// Starts the threads for a data folder. `waker` makes a function that is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: &dyn Fn() -> Waker) -> Result<Self> {
        let of_estimator = data_dir.to_path_buf();
        let sweeps = Self {
            store: SweepStore::new(data_dir),
            work: TaskThread::start("sweeps", waker())?,
            estimator: Newest::start("sweep cost", REST, waker(), move |plan| estimate(plan, &of_estimator))?,
            records: Vec::new(),
            open: None,
            entries: Vec::new(),
            read: None,
            table: None,
            stars: BTreeMap::new(),
            queue: Arc::new([]),
            clips: BTreeMap::new(),
            began: Instant::now(),
            data_dir: data_dir.to_path_buf(),
            submitted: Vec::new(),
            request: None,
            planned: None,
            plan: None,
        };
        sweeps.load();
        Ok(sweeps)
    }

    fn load(&self) {
        let store = self.store.clone();
        self.work.submit(move || {
            let (records, errors) = store.list();
            SweepAnswer::Records(records, errors)
        });
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
        let texture = self.clips.get(place)?.texture.as_ref()?;
        Some((texture.id(), texture.size_vec2()))
    }

    /// Stars of the job with this id.
    pub(in crate::app) fn stars(&self, uid: &str) -> u8 {
        self.stars.get(uid).copied().unwrap_or_default()
    }

    /// The sweep that would be started, or why it cannot be made.
    pub(in crate::app) fn plan(&self) -> Option<&Result<SweepPlan>> {
        self.plan.as_ref()
    }

    /// What it would cost.
    pub(in crate::app) fn estimate(&self) -> Option<&Result<SweepEstimate>> {
        self.estimator.answer()
    }

    /// Takes what is typed.
    pub(in crate::app) fn set_request(&mut self, sweep: Option<Sweep>) {
        self.request = sweep;
    }

    /// Plans what is typed for `draft`, if either has changed since.
    pub(in crate::app) fn follow(&mut self, draft: &Draft, make: impl FnOnce(Sweep) -> Result<SweepPlan>) {
        let wanted = self.request.clone().map(|sweep| (sweep, draft.clone()));
        if wanted == self.planned {
            return;
        }
        self.planned.clone_from(&wanted);
        self.plan = wanted.map(|(sweep, _)| make(sweep));
        match &self.plan {
            Some(Ok(plan)) => self.estimator.ask(plan.clone()),
            _ => self.estimator.forget(),
        }
    }

    /// Saves the record of the planned sweep; its jobs are added when it is on disk.
    pub(in crate::app) fn start_planned(&mut self) {
        // planned again for the next start, under an id of its own
        self.planned = None;
        let Some(Ok(plan)) = self.plan.take() else { return };
        let store = self.store.clone();
        self.work.submit(move || match store.save(&plan.record) {
            Ok(()) => SweepAnswer::Saved(Box::new(plan)),
            Err(error) => SweepAnswer::Failed(error),
        });
    }

    /// Waits until the jobs of a started sweep are saved.
    pub(in crate::app) fn submitted(&mut self, answer: Receiver<Result<Vec<JobId>>>) {
        self.submitted.push(answer);
    }

    /// Shows another sweep in the grid.
    pub(in crate::app) fn show(&mut self, id: String) {
        if self.open.as_ref() != Some(&id) {
            (self.open, self.read, self.table) = (Some(id), None, None);
            self.clips.clear();
            self.entries.clear();
            self.queue = Arc::new([]);
        }
    }

    /// Changes the record in the grid, and saves it.
    pub(in crate::app) fn change(&mut self, change: impl FnOnce(&mut SweepRecord)) {
        let open = self.open.clone();
        let Some(record) = self.records.iter_mut().find(|record| Some(&record.id) == open.as_ref()) else {
            return;
        };
        change(record);
        let (store, record) = (self.store.clone(), record.clone());
        self.work.submit(move || match store.save(&record) {
            Ok(()) => {
                let (records, errors) = store.list();
                SweepAnswer::Records(records, errors)
            }
            Err(error) => SweepAnswer::Failed(error),
        });
    }

    /// Writes the sweep in the grid to a new folder beside its videos.
    pub(in crate::app) fn export(&self) {
        let Some((record, table)) = self.open() else { return };
        let (record, table) = (record.clone(), table.clone());
        let name = record.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = (1..).map(|number| record.folder.with_file_name(format!("{name}-page-{number}")));
        let Some(folder) = folder.into_iter().find(|folder| !folder.exists()) else { return };
        self.work.submit(move || {
            export_sweep(&record, &table, &folder).map_or_else(SweepAnswer::Failed, SweepAnswer::Exported)
        });
    }

    /// Takes the preview of a job, if it is a cell of the sweep in the grid.
    pub(in crate::app) fn preview(&mut self, job: JobId, frames: &[Frame]) {
        let cell = self.table.iter().flat_map(|table| &table.cells).find(|cell| cell.job == Some(job));
        let Some(place) = cell.map(|cell| cell.place.clone()) else { return };
        let frames: Vec<_> = frames.iter().map(image).collect();
        let texture = self.clips.remove(&place).and_then(|clip| clip.texture);
        self.clips.insert(place, Clip { source: None, frames, hz: PREVIEW_HZ, texture, shown: None });
    }

    /// Takes in answers and follows queue and history; `revision` is the library's.
    pub(in crate::app) fn update(&mut self, queue: &Arc<[Job]>, revision: u64) -> Vec<SweepNotice> {
        let mut notices = Vec::new();
        self.estimator.drain();
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
        let Some(id) = self.open.clone() else { return notices };
        if self.read.as_ref() != Some(&(id.clone(), revision)) {
            self.read = Some((id.clone(), revision));
            let data_dir = self.data_dir.clone();
            self.work.submit(move || read_entries(&data_dir, id).unwrap_or_else(SweepAnswer::Failed));
        }
        if self.table.is_none() || !Arc::ptr_eq(&self.queue, queue) {
            self.queue = Arc::clone(queue);
            self.tabulate();
        }
        self.load_clips();
        notices
    }

    fn take(&mut self, answer: SweepAnswer) -> Option<SweepNotice> {
        match answer {
            SweepAnswer::Records(records, errors) => {
                self.records = records;
                if self.open.is_none() {
                    self.open = self.records.first().map(|record| record.id.clone());
                }
                errors.into_iter().next().map(SweepNotice::Failed)
            }
            SweepAnswer::Saved(plan) => {
                self.records.insert(0, plan.record.clone());
                self.show(plan.record.id.clone());
                Some(SweepNotice::Submit(plan))
            }
            SweepAnswer::Entries(id, entries, stars) => {
                if self.open.as_ref() == Some(&id) {
                    (self.entries, self.stars) = (entries, stars);
                    self.tabulate();
                }
                None
            }
            SweepAnswer::Clip(place, source, frames, hz) => {
                let texture = self.clips.remove(&place).and_then(|clip| clip.texture);
                let clip = Clip { source: Some(source), frames, hz, texture, shown: None };
                self.clips.insert(place, clip);
                None
            }
            SweepAnswer::Exported(exported) => Some(SweepNotice::Exported(exported)),
            SweepAnswer::Failed(error) => Some(SweepNotice::Failed(error)),
        }
    }

    fn tabulate(&mut self) {
        let Some(record) = self.record() else { return };
        let jobs = self.queue.iter().map(|job| (job, JobStatus::of(job, false)));
        self.table = Some(collect(record, jobs, &self.entries));
    }

    /// Requests the videos that are not decoded yet, of the first cells that are shown.
    fn load_clips(&mut self) {
        let Some((record, table)) = self.open() else { return };
        let is_shown = |place: &Vec<u32>| !record.dropped.contains(place);
        let cells = table.cells.iter().filter(|cell| is_shown(&cell.place)).take(MAX_CLIPS);
        let wanted: Vec<_> = cells
            .filter_map(|cell| Some((cell.place.clone(), cell.output.clone()?)))
            .filter(|(place, path)| {
                self.clips.get(place).is_none_or(|clip| clip.source.as_ref() != Some(path))
            })
            .collect();
        for (place, path) in wanted {
            let (of_task, source) = (place.clone(), path.clone());
            let is_taken = self.work.submit(move || match decode(&source) {
                Ok((frames, hz)) => SweepAnswer::Clip(of_task, source, frames, hz),
                Err(error) => SweepAnswer::Failed(error),
            });
            if is_taken {
                // requested once; what is shown until then stays
                let clip = self.clips.entry(place).or_insert_with(|| Clip {
                    source: None,
                    frames: Vec::new(),
                    hz: DEFAULT_HZ,
                    texture: None,
                    shown: None,
                });
                clip.source = Some(path);
            }
        }
    }

    /// Shows the frame of each cell that is due on the common clock.
    pub(in crate::app) fn play(&mut self, ctx: &Context, now: Instant) {
        let passed = now.saturating_duration_since(self.began).as_secs_f64();
        let mut next = f64::INFINITY;
        for (place, clip) in self.clips.iter_mut().filter(|(_, clip)| !clip.frames.is_empty()) {
            let turns = passed * clip.hz;
            let index = turns as usize % clip.frames.len();
            if clip.frames.len() > 1 {
                next = next.min((turns.floor() + 1.0) / clip.hz - passed);
            }
            let Some(frame) = clip.frames.get(index).filter(|_| clip.shown != Some(index)) else { continue };
            clip.shown = Some(index);
            if let Some(texture) = &mut clip.texture {
                texture.set(frame.clone(), TextureOptions::LINEAR);
            } else {
                let name = format!("cell {place:?}");
                clip.texture = Some(ctx.load_texture(name, frame.clone(), TextureOptions::LINEAR));
            }
        }
        if next.is_finite() {
            ctx.request_repaint_after(Duration::from_secs_f64(next.max(0.001)));
        }
    }
}

/// The ended jobs of a sweep, and the stars of those that have some.
fn read_entries(data_dir: &Path, id: String) -> Result<SweepAnswer> {
    if !History::path_in(data_dir).exists() {
        return Ok(SweepAnswer::Entries(id, Vec::new(), BTreeMap::new()));
    }
    let (history, _) = History::open(data_dir)?;
    let (entries, ratings) = (history.of_group(&id)?, Ratings::load(data_dir)?);
    let stars = entries.iter().map(|entry| (entry.id.clone(), ratings.of(&entry.id))).collect();
    Ok(SweepAnswer::Entries(id, entries, stars))
}

/// All frames of a video, made small.
fn decode(path: &Path) -> Result<(Vec<ColorImage>, f64)> {
    let mut reader = Reader::open(path)?;
    let hz = reader.info().rate_hz.filter(|hz| hz.is_finite() && *hz > 0.0).unwrap_or(DEFAULT_HZ);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        if frames.len() == MAX_FRAMES {
            break;
        }
        frames.push(image(&smaller(frame, SIDE)?));
    }
    Ok((frames, hz))
}

fn image(frame: &Frame) -> ColorImage {
    ColorImage::from_rgb([frame.size.width as usize, frame.size.height as usize], &frame.rgb)
}
