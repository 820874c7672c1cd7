//! The decoder thread: decodes along the route of the latest order until its output is full.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError, select};
use eframe::egui::ColorImage;

use super::cached_clip::CachedClip;
use super::route::{Cursor, Route};
use crate::core::{Error, Result};
use crate::media::VideoInfo;

/// Decoded frames of the open video that are kept, in bytes: 97 frames of 1280x720.
const CACHE_BYTES: usize = 256 << 20;
/// Frames decoded at once when playing backwards: a frame in the middle of a clip requires decoding from its key
/// frame.
const REVERSE_GROUP: u32 = 16;

/// What to decode; a newer order replaces an older one.
pub(super) struct DecodeCommand {
    pub(super) generation: u64,
    pub(super) path: PathBuf,
    /// Whether to reopen the file, which may have changed.
    pub(super) opens: bool,
    pub(super) from: Cursor,
    pub(super) route: Route,
}

/// An answer of the thread.
pub(super) enum Decoded {
    Opened(VideoInfo),
    Frame(Cursor, Arc<ColorImage>),
    Failed(Error),
}

/// A video, its decoded frames, and the frame to decode next.
struct Clip {
    path: PathBuf,
    frames: CachedClip,
    route: Route,
    next: Option<Cursor>,
}

/// Runs until the orders or the answers are closed; `sent` is called after each answer.
pub(super) fn decode(orders: &Receiver<DecodeCommand>, sender: &Sender<(u64, Decoded)>, sent: impl Fn()) {
    let mut clip: Option<Clip> = None;
    let mut generation = 0;
    let mut newer: Option<DecodeCommand> = None;
    loop {
        if newer.is_none() {
            let has_next = clip.as_ref().is_some_and(|clip| clip.next.is_some());
            newer = match (has_next, orders.try_recv()) {
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
                obey(order, &mut clip)
            }
            None => next(&mut clip),
        };
        let Some(message) = message else { continue };
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

/// Moves to the position of the order; returns the file's properties if it had to be opened.
fn obey(order: DecodeCommand, open: &mut Option<Clip>) -> Option<Decoded> {
    if let Some(clip) = open
        && clip.path == order.path
        && !order.opens
    {
        clip.go(order.from, order.route);
        return None;
    }
    *open = None;
    match CachedClip::open(&order.path, CACHE_BYTES) {
        Ok(frames) => {
            let info = *frames.info();
            let mut clip = Clip { path: order.path, frames, route: order.route, next: None };
            clip.go(order.from, order.route);
            *open = Some(clip);
            Some(Decoded::Opened(info))
        }
        Err(error) => Some(Decoded::Failed(error)),
    }
}

fn next(open: &mut Option<Clip>) -> Option<Decoded> {
    let decoded = open.as_mut()?.advance()?;
    Some(decoded.unwrap_or_else(|error| {
        *open = None;
        Decoded::Failed(error)
    }))
}

impl Clip {
    fn go(&mut self, from: Cursor, route: Route) {
        let frames = self.frames.info().frames.0;
        self.route = route.within(frames);
        self.next = Some(Cursor { index: from.index.min(frames.saturating_sub(1)), ..from });
    }

    /// Decodes the next frame of the route; `None` at its end.
    fn advance(&mut self) -> Option<Result<Decoded>> {
        let cursor = self.next?;
        self.next = self.route.after(cursor);
        let image = self.image(cursor);
        Some(image.map(|image| Decoded::Frame(cursor, Arc::new(image))))
    }

    fn image(&mut self, cursor: Cursor) -> Result<ColorImage> {
        self.frames.image(cursor.index, if cursor.reversed { REVERSE_GROUP } else { 1 })
    }
}
