//! Plays a file: a named thread decodes a few frames ahead, the window shows each when it is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, select};
use eframe::egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2, vec2};

use crate::app::background::player::playback::Playback;
use crate::app::background::player::reel::Reel;
use crate::app::panels::player::{LivePreview, PlayerAction, Screen};
use crate::core::{Error, Frame, Kind, Result, Stage, Waker};
use crate::jobs::JobId;
use crate::media::{Reader, VideoInfo};

/// Decoded frames that wait to be shown; 8 frames of 1280x720 are 30 MB.
const AHEAD: usize = 8;
/// Videos up to this width are shown with hard pixels, which is what a toy model's video is made of.
const PIXEL_ART_WIDTH: u32 = 256;

/// What to decode; a newer order replaces an older one.
struct DecodeCommand {
    generation: u64,
    path: PathBuf,
    at: u32,
}

enum Decoded {
    Opened(VideoInfo),
    Frame(u32, ColorImage),
    Failed(Error),
}

/// The player. Dropping it ends its thread.
pub(in crate::app) struct Player {
    orders: Option<Sender<DecodeCommand>>,
    /// The other end of `orders`, to take back an order that a newer one replaces.
    stale: Receiver<DecodeCommand>,
    decoded: Receiver<(u64, Decoded)>,
    hungry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
    playback: Playback,
    texture: Option<TextureHandle>,
    filter: TextureOptions,
    screen: Screen,
    preview: Option<Preview>,
}

/// The loop of a job that is being made.
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

    /// Opens a file and plays it in a loop; `job` made it, if one of this queue did.
    pub(in crate::app) fn open(&mut self, path: PathBuf, job: Option<JobId>, now: Instant) {
        self.playback = Playback::open(0, None, now);
        self.screen = Screen { path: Some(path), job, ..Screen::default() };
        self.order(0);
    }

    /// Shows what a video that is being made looks like so far, beside the file.
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

    /// The job is over or interrupted.
    pub(in crate::app) fn end_preview(&mut self, job: JobId) {
        self.preview.take_if(|preview| preview.shown.job == job);
    }

    /// Carries out what the panel asked for.
    pub(in crate::app) fn apply(&mut self, action: PlayerAction, now: Instant) {
        match action {
            PlayerAction::Toggle => self.playback.toggle(now),
            PlayerAction::Step(by) => {
                self.playback.pause();
                self.order(self.playback.neighbour(by));
            }
            PlayerAction::Seek(index) => self.order(index),
        }
    }

    /// Shows the frame that is due, and asks to be called again when the next one is.
    pub(in crate::app) fn tick(&mut self, ctx: &Context, now: Instant) {
        if let Some(preview) = &mut self.preview {
            preview.tick(ctx, now);
        }
        while self.playback.wants_frame(now) {
            match self.take() {
                Some(Decoded::Opened(info)) => {
                    self.playback = Playback::open(info.frames.0, info.rate_hz, now);
                    let small = info.size.width <= PIXEL_ART_WIDTH;
                    self.filter = if small { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
                }
                Some(Decoded::Frame(index, image)) => {
                    self.playback.shown(index, now);
                    self.show(ctx, image);
                }
                Some(Decoded::Failed(error)) => {
                    self.playback = Playback::empty(now);
                    self.screen.error = Some(error);
                }
                None => break,
            }
        }
        let playback = &self.playback;
        self.screen.index = playback.index;
        self.screen.frames = playback.frames;
        self.screen.interval = playback.interval;
        self.screen.playing = playback.playing();
        if let Some(wait) = playback.until_due(now) {
            ctx.request_repaint_after(wait);
        }
    }

    fn show(&mut self, ctx: &Context, image: ColorImage) {
        self.screen.texture = Some(put(&mut self.texture, ctx, image, self.filter));
    }

    /// The next of the frames that were asked for; if there is none yet, the thread will wake the window.
    fn take(&self) -> Option<Decoded> {
        if let Some(next) = self.take_current() {
            return Some(next);
        }
        self.hungry.store(true, Ordering::Release);
        // one may have come between the look and the note
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

    fn order(&mut self, at: u32) {
        let (Some(orders), Some(path)) = (&self.orders, self.screen.path.clone()) else { return };
        self.generation += 1;
        self.playback.await_frame(at);
        let mut order = DecodeCommand { generation: self.generation, path, at };
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
            self.shown.texture = Some(put(&mut self.texture, ctx, image, TextureOptions::LINEAR));
        }
        if let Some(next) = next {
            ctx.request_repaint_after(next);
        }
    }
}

/// Puts an image into the one texture that is used again and again.
fn put(
    texture: &mut Option<TextureHandle>,
    ctx: &Context,
    image: ColorImage,
    filter: TextureOptions,
) -> (TextureId, Vec2) {
    let size = vec2(image.width() as f32, image.height() as f32);
    let texture = match texture {
        Some(texture) => {
            texture.set(image, filter);
            texture
        }
        none => none.insert(ctx.load_texture("player", image, filter)),
    };
    (texture.id(), size)
}

/// The thread: decodes round and round from where the last order says, as long as there is room.
fn decode(orders: &Receiver<DecodeCommand>, sender: &Sender<(u64, Decoded)>, sent: impl Fn()) {
    let mut open: Option<(PathBuf, Reader)> = None;
    let mut generation = 0;
    let mut newer: Option<DecodeCommand> = None;
    loop {
        if newer.is_none() {
            newer = match (open.is_some(), orders.try_recv()) {
                (_, Ok(order)) => Some(order),
                (true, Err(TryRecvError::Empty)) => None,
                (false, Err(TryRecvError::Empty)) => match orders.recv() {
                    Ok(order) => Some(order),
                    Err(_) => return,
                },
                (_, Err(TryRecvError::Disconnected)) => return,
            };
        }
        let message = match newer.take() {
            Some(order) => {
                generation = order.generation;
                match obey(order, &mut open) {
                    Some(message) => message,
                    None => continue,
                }
            }
            None => next(&mut open),
        };
        select! {
            send(sender, (generation, message)) -> done => match done {
                Ok(()) => sent(),
                Err(_) => return,
            },
            recv(orders) -> order => match order {
                Ok(order) => newer = Some(order),
                Err(_) => return,
            },
        }
    }
}

/// Goes where the order says; tells what the file holds if it had to be opened.
fn obey(order: DecodeCommand, open: &mut Option<(PathBuf, Reader)>) -> Option<Decoded> {
    if let Some((path, reader)) = open
        && *path == order.path
    {
        reader.seek(order.at);
        return None;
    }
    *open = None;
    match Reader::open(&order.path) {
        Ok(mut reader) => {
            let info = *reader.info();
            reader.seek(order.at);
            *open = Some((order.path, reader));
            Some(Decoded::Opened(info))
        }
        Err(error) => Some(Decoded::Failed(error)),
    }
}

fn next(open: &mut Option<(PathBuf, Reader)>) -> Decoded {
    let done = match open {
        Some((_, reader)) => decode_next(reader),
        None => Err(Error::new(Kind::Bug, "The player has no file")),
    };
    done.unwrap_or_else(|error| {
        *open = None;
        Decoded::Failed(error)
    })
}

fn decode_next(reader: &mut Reader) -> Result<Decoded> {
    let none = || Error::new(Kind::Io, "The video has no frames");
    let mut index = reader.position();
    let frame = if let Some(frame) = reader.next_frame()? {
        frame
    } else {
        index = 0;
        reader.seek(0);
        reader.next_frame()?.ok_or_else(none)?
    };
    let size = [frame.size.width as usize, frame.size.height as usize];
    Ok(Decoded::Frame(index, ColorImage::from_rgb(size, &frame.rgb)))
}
