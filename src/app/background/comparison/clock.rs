//! Which frame of the reference is shown; the other videos follow it.

use std::time::{Duration, Instant};

use crate::app::background::frame_image::frame_interval;

/// The position of all compared videos, played in a loop.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    index: u32,
    frames: u32,
    interval: Duration,
    is_playing: bool,
    due: Instant,
}

impl Clock {
    /// A clock that plays `frames` frames from the first one.
    pub(super) fn new(frames: u32, rate_hz: Option<f64>, now: Instant) -> Self {
        let interval = frame_interval(rate_hz);
        Self { index: 0, frames, interval, is_playing: frames > 1, due: now + interval }
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    pub(super) fn is_playing(&self) -> bool {
        self.is_playing
    }

    /// Moves on to the frame that is due; returns the time until the next one. A late clock does not catch up.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Duration> {
        if !self.is_playing {
            return None;
        }
        if now >= self.due {
            self.index = (self.index + 1) % self.frames.max(1);
            let next = self.due + self.interval;
            self.due = if next > now { next } else { now + self.interval };
        }
        Some(self.due.saturating_duration_since(now))
    }

    pub(super) fn toggle(&mut self, now: Instant) {
        self.is_playing = !self.is_playing && self.frames > 1;
        self.due = now + self.interval;
    }

    /// Pauses at a frame.
    pub(super) fn seek(&mut self, index: u32) {
        self.is_playing = false;
        self.index = index.min(self.frames.saturating_sub(1));
    }

    /// Pauses `by` frames away, around the ends.
    pub(super) fn step(&mut self, by: i32) {
        let frames = i64::from(self.frames.max(1));
        self.seek((i64::from(self.index) + i64::from(by)).rem_euclid(frames) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_at_their_rate_in_a_loop_until_one_is_chosen() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut clock = Clock::new(3, Some(10.0), start);
        assert_eq!(clock.tick(at(99)), Some(Duration::from_millis(1)));
        let shown: Vec<_> = [100, 200, 301, 5000].map(|ms| (clock.tick(at(ms)), clock.index()).1).into();
        assert_eq!(shown, [1, 2, 0, 1]);
        assert_eq!(clock.tick(at(5000)), Some(Duration::from_millis(100)), "a late clock does not catch up");
        clock.step(-2);
        assert_eq!((clock.index(), clock.tick(at(9000)), clock.is_playing()), (2, None, false));
        clock.toggle(at(9000));
        assert!(clock.is_playing());
        let mut still = Clock::new(1, None, start);
        still.toggle(start);
        assert!(!still.is_playing());
    }
}
