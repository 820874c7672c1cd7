//! The data and actions of the compare panel.

use crate::app::background::comparison::comparison::{Comparison, DifferenceRequest, Preference};

/// The data that the panel shows.
#[derive(Clone, Copy)]
pub(in crate::app) struct CompareView<'a> {
    /// The compared videos.
    pub(in crate::app) comparison: &'a Comparison,
}

/// Actions of the compare panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum CompareAction {
    /// Play or pause all videos.
    PlayPause,
    /// Pause this many frames away.
    Step(i32),
    /// Pause at this frame, counted from 0.
    Seek(u32),
    /// Move a video by frames relative to the reference.
    Shift {
        /// Index of the video.
        video: usize,
        /// Frames by which it comes later.
        frames: i32,
    },
    /// Subtract two videos, or no longer.
    Subtract(Option<DifferenceRequest>),
    /// Compare the videos without their names.
    StartBlind,
    /// Say which video of the blind pair is better.
    Vote(Preference),
    /// Show the gallery, to choose videos there.
    ShowGallery,
}
