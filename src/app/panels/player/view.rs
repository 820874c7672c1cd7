//! What the player's panel reads, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{TextureId, Vec2};

use crate::core::{Error, Stage};
use crate::jobs::JobId;

/// What is shown.
#[derive(Clone, Copy)]
pub(in crate::app) struct PlayerView<'a> {
    /// The video that was chosen.
    pub(in crate::app) screen: &'a Screen,
    /// What the running job looks like so far, if it says so.
    pub(in crate::app) preview: Option<&'a LivePreview>,
}

/// What a person asks of the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum PlayerAction {
    /// Play or pause.
    Toggle,
    /// Pause, and go this many frames on, around the end.
    Step(i32),
    /// Go to this frame, counted from 0.
    Seek(u32),
}

/// What the player shows.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Screen {
    /// The file.
    pub(in crate::app) path: Option<PathBuf>,
    /// The job that made it, if it was one of this queue.
    pub(in crate::app) job: Option<JobId>,
    /// The frame's texture and its size in pixels.
    pub(in crate::app) texture: Option<(TextureId, Vec2)>,
    /// The frame that is shown, counted from 0.
    pub(in crate::app) index: u32,
    /// How many there are.
    pub(in crate::app) frames: u32,
    /// How long one is shown.
    pub(in crate::app) interval: Duration,
    /// Whether it moves.
    pub(in crate::app) playing: bool,
    /// Why it cannot be shown.
    pub(in crate::app) error: Option<Error>,
}

/// A job that is being made, as far as it can be seen.
#[derive(Clone, Debug)]
pub(in crate::app) struct LivePreview {
    /// Which.
    pub(in crate::app) job: JobId,
    /// The stage that drew it.
    pub(in crate::app) stage: Stage,
    /// The frame's texture and its size in pixels.
    pub(in crate::app) texture: Option<(TextureId, Vec2)>,
}
