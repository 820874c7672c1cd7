//! The player's clock: which frame is due when. Pure, so that it can be tested without a video.

use std::time::{Duration, Instant};

/// Rate of images that carry none, frames per second; Wan's own (`sample_fps` of the A14B models).
const DEFAULT_RATE_HZ: f64 = 16.0;

/// Where playing stands.
#[derive(Clone, Debug)]
pub(in crate::app) struct Playback {
    pub(in crate::app) index: u32,
    pub(in crate::app) frames: u32,
    pub(in crate::app) interval: Duration,
    playing: bool,
    /// A frame was asked for and has not come, whether or not the video moves.
    awaiting: bool,
    due: Instant,
}

impl Playback {
    /// Nothing to play.
    pub(in crate::app) fn empty(now: Instant) -> Self {
        let interval = Duration::from_secs_f64(1.0 / DEFAULT_RATE_HZ);
        Self { index: 0, frames: 0, interval, playing: false, awaiting: false, due: now }
    }

    /// A video that starts with its first frame as soon as that is there.
    pub(in crate::app) fn open(frames: u32, rate_hz: Option<f64>, now: Instant) -> Self {
        let rate = rate_hz.filter(|rate| rate.is_finite() && *rate > 0.0).unwrap_or(DEFAULT_RATE_HZ);
        let interval = Duration::from_secs_f64(1.0 / rate.clamp(0.1, 240.0));
        Self { index: 0, frames, interval, playing: frames > 1, awaiting: true, due: now }
    }

    pub(in crate::app) fn playing(&self) -> bool {
        self.playing
    }

    /// Plays on, or holds.
    pub(in crate::app) fn toggle(&mut self, now: Instant) {
        self.playing = !self.playing && self.frames > 1;
        self.due = now + self.interval;
    }

    /// Holds.
    pub(in crate::app) fn pause(&mut self) {
        self.playing = false;
    }

    /// The frame `by` frames away, around the ends.
    pub(in crate::app) fn neighbour(&self, by: i32) -> u32 {
        let frames = i64::from(self.frames.max(1));
        (i64::from(self.index) + i64::from(by)).rem_euclid(frames) as u32
    }

    /// A frame was asked for; show it when it comes.
    pub(in crate::app) fn await_frame(&mut self, index: u32) {
        self.index = index.min(self.frames.saturating_sub(1));
        self.awaiting = true;
    }

    /// Whether a new frame should be shown now.
    pub(in crate::app) fn wants_frame(&self, now: Instant) -> bool {
        self.awaiting || (self.playing && now >= self.due)
    }

    /// A frame is shown. Late frames are not hurried after: the clock starts anew.
    pub(in crate::app) fn shown(&mut self, index: u32, now: Instant) {
        let late = self.awaiting || now.saturating_duration_since(self.due) > self.interval;
        self.due = if late { now } else { self.due } + self.interval;
        self.index = index;
        self.awaiting = false;
    }

    /// How long until the next frame; none while the video holds or waits for its decoder.
    pub(in crate::app) fn until_due(&self, now: Instant) -> Option<Duration> {
        (self.playing && !self.awaiting && self.due > now).then(|| self.due - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_at_their_rate_and_late_ones_do_not_pile_up() {
        let start = Instant::now();
        let mut playback = Playback::open(3, Some(10.0), start);
        assert!(playback.wants_frame(start));
        playback.shown(0, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!playback.wants_frame(at(99)));
        assert!(playback.wants_frame(at(101)));
        playback.shown(1, at(110));
        assert_eq!(playback.until_due(at(110)), Some(Duration::from_millis(90)));
        playback.shown(2, at(2000));
        assert_eq!(playback.until_due(at(2000)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_held_video_asks_for_nothing() {
        let start = Instant::now();
        let mut playback = Playback::open(3, None, start);
        playback.shown(0, start);
        playback.toggle(start);
        let later = start + Duration::from_secs(9);
        assert!(!playback.wants_frame(later));
        assert_eq!(playback.until_due(later), None);
        assert_eq!((playback.neighbour(-1), playback.neighbour(4)), (2, 1));
    }

    #[test]
    fn one_picture_does_not_play() {
        let now = Instant::now();
        let mut playback = Playback::open(1, None, now);
        playback.shown(0, now);
        playback.toggle(now);
        assert!(!playback.playing());
    }
}
