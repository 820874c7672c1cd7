//! Plays a file: a named thread decodes a few frames ahead, the window shows each when it is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use eframe::egui::{ColorImage, Context, TextureHandle, TextureOptions};

use super::decoder::{DecodeCommand, Decoded, decode};
use super::playback::Playback;
use super::reel::Reel;
use super::route::Cursor;
use crate::app::background::frame_image::{filter_of, upload};
use crate::app::panels::player::{LivePreview, PlayerCommand, Screen};
use crate::core::{Error, Frame, Kind, Result, Stage, Waker};
use crate::jobs::JobId;

/// Decoded frames waiting to be shown; 8 frames of 1280x720 are 30 MB.
const AHEAD: usize = 8;

/// The player. Dropping it ends its thread.
pub(in crate::app) struct Player {
    orders: Option<Sender<DecodeCommand>>,
    /// Receiver of `orders`, to remove an order that a newer one replaces.
    stale: Receiver<DecodeCommand>,
    decoded: Receiver<(u64, Decoded)>,
    hungry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
    playback: Playback,
    texture: Option<TextureHandle>,
    /// The pixels of the frame that is shown.
    image: Option<Arc<ColorImage>>,
    filter: TextureOptions,
    screen: Screen,
    preview: Option<Preview>,
}

/// The live preview of the running job.
struct Preview {
    reel: Reel,
    texture: Option<TextureHandle>,
    shown: LivePreview,
}

impl Player {
    /// Starts the thread. `waker` is called when a frame comes that the window waits for.
    pub(in crate::app) fn start(waker: Waker) -> Result<Self> {
        let (orders, waiting) = bounded(1);
        let (sender, decoded) = bounded(AHEAD);
        let hungry = Arc::new(AtomicBool::new(false));
        let (stale, asked, waking) = (waiting.clone(), Arc::clone(&hungry), waker);
        let work = move || {
            decode(&waiting, &sender, || {
                if asked.swap(false, Ordering::AcqRel) {
                    waking();
                }
            });
        };
        let thread = Builder::new().name("player".to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, "The player's thread cannot be started")
                .because(error)
                .remedy("Restart the program")
        })?;
        Ok(Self {
            orders: Some(orders),
            stale,
            decoded,
            hungry,
            thread: Some(thread),
            generation: 0,
            playback: Playback::empty(Instant::now()),
            texture: None,
            image: None,
            filter: TextureOptions::LINEAR,
            screen: Screen::default(),
            preview: None,
        })
    }

    /// What to draw.
    pub(in crate::app) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// What the running job looks like.
    pub(in crate::app) fn live_preview(&self) -> Option<&LivePreview> {
        self.preview.as_ref().map(|preview| &preview.shown)
    }

    /// Opens a file and plays it in a loop. `job` is the job of this queue that made it, if any.
    pub(in crate::app) fn open(&mut self, path: PathBuf, job: Option<JobId>, now: Instant) {
        self.playback = self.playback.opening(now);
        self.image = None;
        self.screen = Screen { path: Some(path), job, ..Screen::default() };
        self.order(self.playback.cursor(), true);
    }

    /// Updates the live preview of the running job.
    pub(in crate::app) fn preview(&mut self, job: JobId, stage: Stage, frames: Arc<[Frame]>, now: Instant) {
        let shown = LivePreview { job, stage, texture: None };
        match &mut self.preview {
            Some(preview) if preview.shown.job == job => {
                preview.reel.exchange(frames);
                preview.shown.stage = stage;
            }
            preview => *preview = Some(Preview { reel: Reel::new(frames, now), texture: None, shown }),
        }
    }

    /// Removes the live preview, because the job has ended or was interrupted.
    pub(in crate::app) fn end_preview(&mut self, job: JobId) {
        self.preview.take_if(|preview| preview.shown.job == job);
    }

    /// Carries out a command; those for the view, the clipboard and files are the window's.
    pub(in crate::app) fn run(&mut self, command: PlayerCommand, now: Instant) {
        let playback = &mut self.playback;
        match command {
            PlayerCommand::PlayPause => {
                let target = playback.toggle(now);
                self.go(target);
            }
            PlayerCommand::PlayForward | PlayerCommand::PlayBackwards => {
                let target = playback.shuttle(command == PlayerCommand::PlayBackwards, now);
                self.go(target);
            }
            PlayerCommand::Pause => playback.pause(),
            PlayerCommand::StepBack => self.step(-1),
            PlayerCommand::StepForward => self.step(1),
            PlayerCommand::TenBack => self.step(-10),
            PlayerCommand::TenForward => self.step(10),
            PlayerCommand::FirstFrame => self.seek(0),
            PlayerCommand::LastFrame => self.seek(self.playback.frames.saturating_sub(1)),
            PlayerCommand::Slower => playback.set_speed(playback.speed / 2.0, now),
            PlayerCommand::Faster => playback.set_speed(playback.speed * 2.0, now),
            PlayerCommand::NormalSpeed => playback.set_speed(1.0, now),
            PlayerCommand::NextRepeatMode => {
                playback.repeat = playback.repeat.next();
                self.reroute();
            }
            PlayerCommand::SetInPoint => {
                playback.set_in();
                self.reroute();
            }
            PlayerCommand::SetOutPoint => {
                playback.set_out();
                self.reroute();
            }
            PlayerCommand::ClearInOut => {
                playback.clear_in_out();
                self.reroute();
            }
            PlayerCommand::FitFrame
            | PlayerCommand::FullSizeFrame
            | PlayerCommand::CopyFrame
            | PlayerCommand::SaveFrame => {}
        }
    }

    /// Shows a frame, counted from 0.
    pub(in crate::app) fn seek(&mut self, index: u32) {
        self.go(Some(Cursor { index, ..self.playback.cursor() }));
    }

    /// Sets the speed relative to the video's own rate.
    pub(in crate::app) fn set_speed(&mut self, speed: f64, now: Instant) {
        self.playback.set_speed(speed, now);
    }

    /// The pixels of the frame that is shown, and the start of a file name for it.
    pub(in crate::app) fn frame(&self) -> Option<(String, Arc<ColorImage>)> {
        let (path, image) = (self.screen.path.as_ref()?, self.image.clone()?);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Some((format!("{name}-frame-{:04}", self.screen.index + 1), image))
    }

    fn step(&mut self, by: i32) {
        self.playback.pause();
        self.seek(self.playback.neighbour(by));
    }

    fn go(&mut self, target: Option<Cursor>) {
        if let Some(cursor) = target
            && self.playback.frames > 0
        {
            self.order(cursor, false);
        }
    }

    /// Lets the decoder continue from the shown frame with the current settings.
    fn reroute(&mut self) {
        self.go(Some(self.playback.cursor()));
    }

    /// Shows the frame that is due, and requests a repaint for the next one.
    pub(in crate::app) fn tick(&mut self, ctx: &Context, now: Instant) {
        if let Some(preview) = &mut self.preview {
            preview.tick(ctx, now);
        }
        let mut newest = None;
        while self.playback.wants_frame(now) {
            match self.take() {
                Some(Decoded::Opened(info)) => {
                    self.playback = self.playback.open(info.frames.0, info.rate_hz, now);
                    self.filter = filter_of(info.size.width as usize);
                }
                Some(Decoded::Frame(cursor, image)) => {
                    self.playback.shown(cursor, now);
                    newest = Some(image);
                }
                Some(Decoded::Failed(error)) => {
                    self.playback = self.playback.closed(now);
                    self.screen.error = Some(error);
                }
                None => break,
            }
        }
        if let Some(image) = newest {
            let shown = Arc::clone(&image);
            self.screen.texture = Some(upload(&mut self.texture, ctx, "player", shown, self.filter));
            self.image = Some(image);
        }
        let playback = &self.playback;
        self.screen.index = playback.index;
        self.screen.frames = playback.frames;
        self.screen.interval = playback.interval;
        self.screen.playing = playback.playing();
        self.screen.speed = playback.speed;
        self.screen.rate = playback.rate();
        self.screen.repeat = playback.repeat;
        self.screen.in_point = playback.in_point;
        self.screen.out_point = playback.out_point;
        if let Some(wait) = playback.until_due(now) {
            ctx.request_repaint_after(wait);
        }
    }

    /// The next requested frame; if it has not arrived, the thread will wake the window.
    fn take(&self) -> Option<Decoded> {
        if let Some(next) = self.take_current() {
            return Some(next);
        }
        self.hungry.store(true, Ordering::Release);
        // a frame may have arrived between the check and the note
        let next = self.take_current();
        if next.is_some() {
            self.hungry.store(false, Ordering::Release);
        }
        next
    }

    fn take_current(&self) -> Option<Decoded> {
        let mut waiting = self.decoded.try_iter();
        waiting.find(|(generation, _)| *generation == self.generation).map(|(_, decoded)| decoded)
    }

    fn order(&mut self, from: Cursor, opens: bool) {
        let (Some(orders), Some(path)) = (&self.orders, self.screen.path.clone()) else { return };
        self.generation += 1;
        self.playback.await_frame(from);
        let (generation, route) = (self.generation, self.playback.route());
        let mut order = DecodeCommand { generation, path, opens, from, route };
        while let Err(TrySendError::Full(back)) = orders.try_send(order) {
            drop(self.stale.try_recv());
            order = back;
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.orders = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The player's thread ended by a panic");
        }
    }
}

impl Preview {
    fn tick(&mut self, ctx: &Context, now: Instant) {
        let (image, next) = self.reel.due(now);
        if let Some(image) = image {
            let filter = TextureOptions::LINEAR;
            self.shown.texture = Some(upload(&mut self.texture, ctx, "preview", image, filter));
        }
        if let Some(next) = next {
            ctx.request_repaint_after(next);
        }
    }
}
