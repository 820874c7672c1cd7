//! What the player's panel reads, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{TextureId, Vec2};

use super::command::PlayerCommand;
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::app) enum PlayerAction {
    /// Carry out a command.
    Command(PlayerCommand),
    /// Go to this frame, counted from 0.
    Seek(u32),
    /// Play at this speed, relative to the video's own rate.
    Speed(f64),
}

/// What happens at the ends of the part that is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) enum Repeat {
    /// It starts again.
    #[default]
    Loop,
    /// It plays backwards, then forward again.
    PingPong,
    /// It pauses.
    Once,
}

impl Repeat {
    /// The mode after this one.
    pub(in crate::app) fn next(self) -> Self {
        match self {
            Self::Loop => Self::PingPong,
            Self::PingPong => Self::Once,
            Self::Once => Self::Loop,
        }
    }
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
    /// Speed of the speed control, relative to the video's own rate.
    pub(in crate::app) speed: f64,
    /// Speed now, relative to the video's own rate; negative while it plays backwards.
    pub(in crate::app) rate: f64,
    /// What happens at the ends.
    pub(in crate::app) repeat: Repeat,
    /// First frame of the part that is played, if it was set.
    pub(in crate::app) in_point: Option<u32>,
    /// Last frame of the part that is played, if it was set.
    pub(in crate::app) out_point: Option<u32>,
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
