//! The data and actions of the player panel.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{TextureId, Vec2};

use super::command::PlayerCommand;
use crate::core::{Error, Stage};
use crate::jobs::JobId;

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct PlayerView<'a> {
    /// The opened video.
    pub(in crate::app) screen: &'a Screen,
    /// The live preview of the running job, if there is one.
    pub(in crate::app) preview: Option<&'a LivePreview>,
    /// Whether its job denoises with a high-noise and a low-noise expert.
    pub(in crate::app) has_two_experts: bool,
}

/// Actions of the player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::app) enum PlayerAction {
    /// Carry out a command.
    Command(PlayerCommand),
    /// Go to this frame, counted from 0.
    Seek(u32),
    /// Play at this speed, relative to the video's frame rate.
    Speed(f64),
}

/// What happens at the ends of the played range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) enum Repeat {
    /// Playback starts again.
    #[default]
    Loop,
    /// Playback reverses.
    PingPong,
    /// Playback pauses.
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

/// The opened video and its playback state.
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
    /// Number of frames.
    pub(in crate::app) frames: u32,
    /// Duration of one frame.
    pub(in crate::app) interval: Duration,
    /// Whether it is playing.
    pub(in crate::app) playing: bool,
    /// Speed set by the user, relative to the video's frame rate.
    pub(in crate::app) speed: f64,
    /// Current speed, relative to the video's frame rate; negative while playing backwards.
    pub(in crate::app) rate: f64,
    /// What happens at the ends.
    pub(in crate::app) repeat: Repeat,
    /// First frame of the played range, if set.
    pub(in crate::app) in_point: Option<u32>,
    /// Last frame of the played range, if set.
    pub(in crate::app) out_point: Option<u32>,
    /// Why it cannot be shown.
    pub(in crate::app) error: Option<Error>,
}

/// The live preview of a job.
#[derive(Clone, Debug)]
pub(in crate::app) struct LivePreview {
    /// The job.
    pub(in crate::app) job: JobId,
    /// The stage that made the preview.
    pub(in crate::app) stage: Stage,
    /// The frame's texture and its size in pixels.
    pub(in crate::app) texture: Option<(TextureId, Vec2)>,
}
