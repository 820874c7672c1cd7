//! The compared videos: opened, measured and ranked on a thread, decoded in sync on another.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, Vec2};

pub(in crate::app) use super::blind::{Blind, BlindItem, Preference};
use super::clock::Clock;
pub(in crate::app) use super::frames::DifferenceRequest;
use super::frames::{FrameRequest, FrameSet, FrameSource};
use crate::app::background::frame_image::{filter_of, upload};
use crate::app::background::newest::Newest;
use crate::app::background::task::TaskThread;
use crate::compare::{ComparedVideo, Measurements, measure};
use crate::core::{CancelToken, Error, Kind, Result, Waker};
use crate::library::History;

/// How many videos can be compared at once.
pub(in crate::app) const COMPARED: RangeInclusive<usize> = 2..=4;
/// How many videos can be ranked in one series: the work of a vote grows with the number of pairs.
pub(in crate::app) const RANKED: RangeInclusive<usize> = 2..=50;
/// Parts of the measuring that are counted.
const PARTS: f32 = 1000.0;

/// How far the measuring is.
#[derive(Debug, Default)]
pub(in crate::app) enum MeasureStatus {
    /// Nothing is measured.
    #[default]
    Idle,
    /// It runs, up to this fraction.
    Running(f32),
    /// It is done.
    Done(Measurements),
    /// It failed.
    Failed(Error),
}

/// What the thread found, with the number of the question.
enum Found {
    Opened(u64, Result<Vec<ComparedVideo>>),
    Measured(u64, Result<Measurements>),
    Pair(u64, Result<Box<Pair>>),
}

/// The next pair of a series of blind comparisons.
struct Pair {
    blind: Blind,
    videos: Result<Vec<ComparedVideo>>,
    /// Why the comparison before it was not saved.
    failed: Option<Error>,
}

impl Pair {
    fn open(data_dir: &Path, blind: Blind, failed: Option<Error>) -> Box<Self> {
        let videos = find(data_dir, &blind.paths());
        Box::new(Self { blind, videos, failed })
    }
}

/// The compared videos. Dropping it ends its threads.
pub(in crate::app) struct Comparison {
    data_dir: PathBuf,
    waker: Waker,
    // the thread's work stops when this is cancelled
    cancel: CancelToken,
    progress: Arc<AtomicU32>,
    generation: u64,
    paths: Arc<[PathBuf]>,
    videos: Vec<ComparedVideo>,
    error: Option<Error>,
    measured: MeasureStatus,
    shifts: Vec<i32>,
    clock: Clock,
    difference: Option<DifferenceRequest>,
    textures: Vec<Option<TextureHandle>>,
    difference_texture: Option<TextureHandle>,
    blind: Option<Blind>,
    frames: Newest<FrameRequest, FrameSet>,
    tasks: TaskThread<Found>,
}

impl Comparison {
    /// Starts the threads. `waker` is called after each answer.
    pub(in crate::app) fn start(data_dir: &Path, waker: &Waker) -> Result<Self> {
        let mut source = FrameSource::default();
        let answer = move |request: &FrameRequest| source.answer(request);
        Ok(Self {
            data_dir: data_dir.to_path_buf(),
            waker: Arc::clone(waker),
            cancel: CancelToken::new(),
            progress: Arc::default(),
            generation: 0,
            paths: Arc::default(),
            videos: Vec::new(),
            error: None,
            measured: MeasureStatus::Idle,
            shifts: Vec::new(),
            clock: Clock::new(0, None, Instant::now()),
            difference: None,
            textures: Vec::new(),
            difference_texture: None,
            blind: None,
            frames: Newest::start("compared frames", Duration::ZERO, Arc::clone(waker), answer)?,
            tasks: TaskThread::start("comparison", Arc::clone(waker))?,
        })
    }

    /// Compares these videos; the first one is the reference.
    pub(in crate::app) fn open(&mut self, paths: Vec<PathBuf>) {
        self.leave(paths);
        let (generation, data_dir, paths) = (self.generation, self.data_dir.clone(), Arc::clone(&self.paths));
        self.submit(move || Found::Opened(generation, find(&data_dir, &paths)));
    }

    /// Begins a series of blind comparisons.
    pub(in crate::app) fn open_blind(&mut self, items: Vec<BlindItem>) {
        self.leave(items.iter().map(|item| item.path.clone()).collect());
        let (generation, data_dir) = (self.generation, self.data_dir.clone());
        self.submit(move || {
            let blind = Blind::start(&data_dir, items);
            Found::Pair(generation, blind.map(|blind| Pair::open(&data_dir, blind, None)))
        });
    }

    /// Saves what is preferred and shows the next pair.
    pub(in crate::app) fn vote(&mut self, preference: Preference) {
        let Some(mut blind) = self.blind.take() else { return };
        self.leave(blind.paths());
        let (generation, data_dir) = (self.generation, self.data_dir.clone());
        self.submit(move || {
            let failed = blind.vote(preference).err();
            Found::Pair(generation, Ok(Pair::open(&data_dir, blind, failed)))
        });
    }

    /// Forgets what was compared; `paths` come next.
    fn leave(&mut self, paths: Vec<PathBuf>) {
        self.stop();
        self.generation += 1;
        (self.videos, self.error, self.measured) = (Vec::new(), None, MeasureStatus::Idle);
        self.blind = None;
        (self.difference, self.difference_texture) = (None, None);
        self.clock = Clock::new(0, None, Instant::now());
        self.frames.forget();
        self.change_paths(paths);
    }

    fn change_paths(&mut self, paths: Vec<PathBuf>) {
        self.shifts = vec![0; paths.len()];
        self.textures = std::iter::repeat_with(|| None).take(paths.len()).collect();
        self.paths = paths.into();
    }

    fn submit(&mut self, task: impl FnOnce() -> Found + Send + 'static) {
        if !self.tasks.submit(task) {
            self.error = Some(busy());
        }
    }

    /// Stops the measuring that runs.
    fn stop(&mut self) {
        self.cancel.cancel();
        self.cancel = CancelToken::new();
    }

    fn measure(&mut self) {
        self.stop();
        self.generation += 1;
        self.progress.store(0, Ordering::Relaxed);
        self.measured = MeasureStatus::Running(0.0);
        let (generation, cancel, progress) =
            (self.generation, self.cancel.clone(), Arc::clone(&self.progress));
        let (videos, shifts, waker) = (self.videos.clone(), self.shifts.clone(), Arc::clone(&self.waker));
        let is_queued = self.tasks.submit(move || {
            let mut report = |fraction: f32| {
                let part = (fraction * PARTS) as u32;
                if progress.swap(part, Ordering::Relaxed) != part {
                    waker();
                }
            };
            Found::Measured(generation, measure(&videos, &shifts, &cancel, &mut report))
        });
        if !is_queued {
            self.measured = MeasureStatus::Failed(busy());
        }
    }

    /// Moves a video by frames relative to the reference, and measures again.
    pub(in crate::app) fn shift(&mut self, video: usize, shift: i32) {
        if let Some(known) = self.shifts.get_mut(video)
            && *known != shift
        {
            *known = shift;
            if self.blind.is_none() {
                self.measure();
            }
        }
    }

    /// Subtracts two videos, or no longer.
    pub(in crate::app) fn subtract(&mut self, difference: Option<DifferenceRequest>) {
        self.difference = difference;
    }

    pub(in crate::app) fn toggle(&mut self, now: Instant) {
        self.clock.toggle(now);
    }

    pub(in crate::app) fn seek(&mut self, index: u32) {
        self.clock.seek(index);
    }

    pub(in crate::app) fn step(&mut self, by: i32) {
        self.clock.step(by);
    }

    /// Takes in what the threads found, and shows the frames that are due.
    pub(in crate::app) fn tick(&mut self, ctx: &Context, now: Instant) {
        while let Some(found) = self.tasks.poll() {
            match found {
                Ok(found) => self.take(found, now),
                Err(error) => self.error = Some(error),
            }
        }
        if let MeasureStatus::Running(fraction) = &mut self.measured {
            *fraction = self.progress.load(Ordering::Relaxed) as f32 / PARTS;
        }
        if self.videos.is_empty() {
            return;
        }
        if let Some(wait) = self.clock.tick(now) {
            ctx.request_repaint_after(wait);
        }
        let index = i64::from(self.clock.index());
        let of = |(video, shift): (&ComparedVideo, &i32)| {
            let at = u32::try_from(index + i64::from(*shift)).ok();
            at.filter(|at| *at < video.info.frames.0)
        };
        let indexes = self.videos.iter().zip(&self.shifts).map(of).collect();
        let (paths, difference) = (Arc::clone(&self.paths), self.difference);
        self.frames.ask(FrameRequest { paths, indexes, difference });
        self.frames.drain();
        self.upload(ctx);
    }

    fn take(&mut self, found: Found, now: Instant) {
        match found {
            Found::Opened(generation, result) if generation == self.generation => match result {
                Ok(videos) => {
                    self.show(videos, now);
                    self.measure();
                }
                Err(error) => self.error = Some(error),
            },
            Found::Pair(generation, result) if generation == self.generation => match result {
                Ok(pair) => {
                    let Pair { blind, videos, failed } = *pair;
                    self.change_paths(blind.paths());
                    self.blind = Some(blind);
                    self.error = failed;
                    match videos {
                        Ok(videos) => self.show(videos, now),
                        Err(error) => self.error = Some(error),
                    }
                }
                Err(error) => self.error = Some(error),
            },
            Found::Measured(generation, result) if generation == self.generation => {
                self.measured = match result {
                    Ok(measured) => MeasureStatus::Done(measured),
                    Err(error) => MeasureStatus::Failed(error),
                };
            }
            // of videos that were compared before
            Found::Opened(..) | Found::Measured(..) | Found::Pair(..) => {}
        }
    }

    fn show(&mut self, videos: Vec<ComparedVideo>, now: Instant) {
        let first = videos.first().map(|video| video.info);
        let frames = first.map_or(0, |info| info.frames.0);
        self.clock = Clock::new(frames, first.and_then(|info| info.rate_hz), now);
        self.videos = videos;
    }

    /// Shows the newest frames, which may be late by one.
    fn upload(&mut self, ctx: &Context) {
        let Some((request, set)) = self.frames.take_latest() else { return };
        if request.paths != self.paths {
            return;
        }
        if let Some(error) = set.error {
            self.error = Some(error);
        }
        for (texture, image) in self.textures.iter_mut().zip(set.images) {
            match image {
                Some(image) => put(texture, ctx, image),
                None => *texture = None,
            }
        }
        match set.difference {
            Some(image) => put(&mut self.difference_texture, ctx, Arc::new(image)),
            None => self.difference_texture = None,
        }
    }
}

impl Comparison {
    /// The videos, once they are open.
    pub(in crate::app) fn videos(&self) -> &[ComparedVideo] {
        &self.videos
    }

    /// Whether videos were chosen.
    pub(in crate::app) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Why the videos cannot be compared.
    pub(in crate::app) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// How far the measuring is.
    pub(in crate::app) fn measured(&self) -> &MeasureStatus {
        &self.measured
    }

    /// By how many frames each video is moved.
    pub(in crate::app) fn shifts(&self) -> &[i32] {
        &self.shifts
    }

    /// The frame of the reference that is shown, counted from 0, and their number.
    pub(in crate::app) fn position(&self) -> [u32; 2] {
        [self.clock.index(), self.clock.frames()]
    }

    /// Whether the videos play.
    pub(in crate::app) fn is_playing(&self) -> bool {
        self.clock.is_playing()
    }

    /// The frame of a video with its size in pixels.
    pub(in crate::app) fn texture(&self, video: usize) -> Option<(TextureId, Vec2)> {
        shown(self.textures.get(video)?.as_ref())
    }

    /// Which videos are subtracted.
    pub(in crate::app) fn subtracted(&self) -> Option<DifferenceRequest> {
        self.difference
    }

    /// The amplified difference with its size in pixels.
    pub(in crate::app) fn difference(&self) -> Option<(TextureId, Vec2)> {
        shown(self.difference_texture.as_ref())
    }

    /// The series of blind comparisons, if there is one.
    pub(in crate::app) fn blind(&self) -> Option<&Blind> {
        self.blind.as_ref()
    }

    /// The videos for a series of blind comparisons: those with an entry in the history.
    pub(in crate::app) fn blind_items(&self) -> Vec<BlindItem> {
        let of = |video: &ComparedVideo| Some(BlindItem { id: video.id.clone()?, path: video.path.clone() });
        self.videos.iter().filter_map(of).collect()
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The videos at `paths` with what the history knows of them.
fn find(data_dir: &Path, paths: &[PathBuf]) -> Result<Vec<ComparedVideo>> {
    let (history, _) = History::open(data_dir)?;
    paths.iter().map(|path| ComparedVideo::find(&path.to_string_lossy(), &history)).collect()
}

fn busy() -> Error {
    Error::new(Kind::Io, "Too many videos are being compared").remedy("Wait a moment, then try again")
}

fn shown(texture: Option<&TextureHandle>) -> Option<(TextureId, Vec2)> {
    texture.map(|texture| (texture.id(), texture.size_vec2()))
}

fn put(texture: &mut Option<TextureHandle>, ctx: &Context, image: Arc<ColorImage>) {
    let filter = filter_of(image.width());
    upload(texture, ctx, "compared", image, filter);
}
