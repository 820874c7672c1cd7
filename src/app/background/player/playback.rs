//! The player's clock: which frame is due when. Pure, so that it can be tested without a video.

use std::time::{Duration, Instant};

use super::route::{Cursor, Route};
use crate::app::background::frame_image::frame_interval;
use crate::app::panels::player::Repeat;

/// Fastest playback with repeated J or L, as a multiple of the video's rate.
const MAX_SHUTTLE: f64 = 4.0;
/// Slowest and fastest speed of the speed control.
const SPEEDS: [f64; 2] = [0.25, 2.0];

/// The playback position, its speed and its part of the video.
#[derive(Clone, Debug)]
pub(in crate::app) struct Playback {
    pub(in crate::app) index: u32,
    pub(in crate::app) frames: u32,
    pub(in crate::app) interval: Duration,
    pub(in crate::app) speed: f64,
    pub(in crate::app) repeat: Repeat,
    pub(in crate::app) in_point: Option<u32>,
    pub(in crate::app) out_point: Option<u32>,
    reversed: bool,
    /// The speed of J and L: 1, 2 or 4 times `speed`.
    shuttle: f64,
    playing: bool,
    /// Whether a requested frame has not arrived yet.
    awaiting: bool,
    due: Instant,
}

impl Playback {
    /// Nothing to play.
    pub(in crate::app) fn empty(now: Instant) -> Self {
        Self {
            index: 0,
            frames: 0,
            interval: frame_interval(None),
            speed: 1.0,
            repeat: Repeat::Loop,
            in_point: None,
            out_point: None,
            reversed: false,
            shuttle: 1.0,
            playing: false,
            awaiting: false,
            due: now,
        }
    }

    /// A new video, which starts as soon as its first frame arrives. Speed and repeat mode stay.
    pub(in crate::app) fn open(&self, frames: u32, rate_hz: Option<f64>, now: Instant) -> Self {
        Self { frames, interval: frame_interval(rate_hz), ..self.opening(now) }
    }

    /// A video that is being opened, of unknown length. Speed and repeat mode stay.
    pub(in crate::app) fn opening(&self, now: Instant) -> Self {
        Self { playing: true, awaiting: true, ..self.closed(now) }
    }

    /// Nothing to play. Speed and repeat mode stay.
    pub(in crate::app) fn closed(&self, now: Instant) -> Self {
        Self { speed: self.speed, repeat: self.repeat, ..Self::empty(now) }
    }

    pub(in crate::app) fn playing(&self) -> bool {
        self.playing && self.frames > 1
    }

    /// Speed relative to the video's own rate; negative while it plays backwards.
    pub(in crate::app) fn rate(&self) -> f64 {
        let rate = self.speed * self.shuttle;
        if self.reversed { -rate } else { rate }
    }

    /// The frame that is shown and the direction.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { index: self.index, reversed: self.reversed }
    }

    /// The played range and repeat mode.
    pub(super) fn route(&self) -> Route {
        let last = self.out_point.unwrap_or(u32::MAX);
        let route = Route { first: self.in_point.unwrap_or(0), last, repeat: self.repeat };
        if self.frames == 0 { route } else { route.within(self.frames) }
    }

    /// Pauses, or plays forward at the user's speed.
    #[must_use = "the decoder has to go there"]
    pub(super) fn toggle(&mut self, now: Instant) -> Option<Cursor> {
        if self.playing() {
            self.pause();
            return None;
        }
        self.play(false, now)
    }

    /// L and J: plays in a direction; if it does already, twice as fast, up to 4 times the video's rate.
    #[must_use = "the decoder has to go there"]
    pub(super) fn shuttle(&mut self, reversed: bool, now: Instant) -> Option<Cursor> {
        if !self.playing() || self.reversed != reversed {
            return self.play(reversed, now);
        }
        if self.speed * self.shuttle * 2.0 <= MAX_SHUTTLE {
            self.shuttle *= 2.0;
            self.hurry(now);
        }
        None
    }

    /// Plays in a direction. Returns the position that the decoder has to move to, if any.
    fn play(&mut self, reversed: bool, now: Instant) -> Option<Cursor> {
        if self.frames < 2 {
            return None;
        }
        let turns = self.reversed != reversed;
        (self.playing, self.reversed, self.shuttle) = (true, reversed, 1.0);
        self.due = now + self.frame_time();
        match self.route().after(self.cursor()) {
            None => Some(self.route().start(reversed)),
            Some(_) => turns.then(|| self.cursor()),
        }
    }

    /// Pauses; the speed is that of the speed control again.
    pub(in crate::app) fn pause(&mut self) {
        (self.playing, self.shuttle) = (false, 1.0);
    }

    /// Sets the speed relative to the video's own rate, 0.25 to 2.
    pub(in crate::app) fn set_speed(&mut self, speed: f64, now: Instant) {
        self.speed = speed.clamp(SPEEDS[0], SPEEDS[1]);
        self.shuttle = 1.0;
        self.hurry(now);
    }

    /// Starts the part that is played at the frame that is shown.
    pub(super) fn set_in(&mut self) {
        self.in_point = Some(self.index);
        self.out_point = self.out_point.filter(|out| *out > self.index);
    }

    /// Ends the part that is played with the frame that is shown.
    pub(super) fn set_out(&mut self) {
        self.out_point = Some(self.index);
        self.in_point = self.in_point.filter(|first| *first < self.index);
    }

    /// Plays the whole video again.
    pub(super) fn clear_in_out(&mut self) {
        (self.in_point, self.out_point) = (None, None);
    }

    /// The frame `by` frames away, around the ends.
    pub(in crate::app) fn neighbour(&self, by: i32) -> u32 {
        let frames = i64::from(self.frames.max(1));
        (i64::from(self.index) + i64::from(by)).rem_euclid(frames) as u32
    }

    /// Requests a frame, to be shown when it arrives.
    pub(super) fn await_frame(&mut self, cursor: Cursor) {
        self.index = cursor.index.min(self.frames.saturating_sub(1));
        self.reversed = cursor.reversed;
        self.awaiting = true;
    }

    /// Whether a new frame should be shown now.
    pub(in crate::app) fn wants_frame(&self, now: Instant) -> bool {
        self.awaiting || (self.playing() && now >= self.due)
    }

    /// A frame is shown. After a late frame the clock restarts instead of catching up.
    pub(super) fn shown(&mut self, cursor: Cursor, now: Instant) {
        let late = self.awaiting || now.saturating_duration_since(self.due) > self.frame_time();
        self.due = if late { now } else { self.due } + self.frame_time();
        (self.index, self.reversed) = (cursor.index, cursor.reversed);
        self.awaiting = false;
        if self.route().after(cursor).is_none() {
            self.pause();
        }
    }

    /// Time until the next frame; `None` while paused or waiting for the decoder.
    pub(in crate::app) fn until_due(&self, now: Instant) -> Option<Duration> {
        (self.playing() && !self.awaiting && self.due > now).then(|| self.due - now)
    }

    /// Duration of a frame at the current speed.
    fn frame_time(&self) -> Duration {
        self.interval.div_f64(self.speed * self.shuttle)
    }

    /// Shortens the wait for the next frame after the speed was raised.
    fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(now + self.frame_time());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(frames: u32, now: Instant) -> Playback {
        let mut playback = Playback::empty(now).open(frames, Some(10.0), now);
        show(&mut playback, 0, now);
        playback
    }

    fn show(playback: &mut Playback, index: u32, now: Instant) {
        playback.shown(Cursor { index, ..playback.cursor() }, now);
    }

    #[test]
    fn frames_come_at_their_rate_and_late_ones_do_not_pile_up() {
        let start = Instant::now();
        let mut playback = Playback::empty(start).open(3, Some(10.0), start);
        assert!(playback.wants_frame(start));
        show(&mut playback, 0, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!playback.wants_frame(at(99)));
        assert!(playback.wants_frame(at(101)));
        show(&mut playback, 1, at(110));
        assert_eq!(playback.until_due(at(110)), Some(Duration::from_millis(90)));
        show(&mut playback, 2, at(2000));
        assert_eq!(playback.until_due(at(2000)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_paused_video_asks_for_nothing() {
        let start = Instant::now();
        let mut playback = video(3, start);
        assert_eq!(playback.toggle(start), None);
        let later = start + Duration::from_secs(9);
        assert!(!playback.wants_frame(later));
        assert_eq!(playback.until_due(later), None);
        assert_eq!((playback.neighbour(-1), playback.neighbour(4)), (2, 1));
    }

    #[test]
    fn one_frame_does_not_play() {
        let now = Instant::now();
        let mut playback = video(1, now);
        assert_eq!(playback.toggle(now), None);
        assert!(!playback.playing());
    }

    #[test]
    fn j_and_l_turn_and_double_the_speed_up_to_four() {
        let now = Instant::now();
        let mut playback = video(9, now);
        show(&mut playback, 5, now);
        let mut rates = Vec::new();
        for reversed in [false, false, false, true, true] {
            let turned = playback.shuttle(reversed, now);
            rates.push((playback.rate(), turned.is_some()));
        }
        assert_eq!(rates, [(2.0, false), (4.0, false), (4.0, false), (-1.0, true), (-2.0, false)]);
        assert!(playback.until_due(now).is_some_and(|wait| wait <= Duration::from_millis(50)));
        playback.pause();
        assert_eq!(playback.toggle(now), Some(Cursor { index: 5, reversed: false }));
        assert_eq!(playback.rate().to_bits(), 1f64.to_bits());
    }

    #[test]
    fn the_speed_stays_for_the_next_video_and_changes_the_time_of_a_frame() {
        let now = Instant::now();
        let mut playback = video(9, now);
        playback.set_speed(2.0, now);
        assert_eq!(playback.until_due(now), Some(Duration::from_millis(50)));
        playback.set_speed(0.1, now);
        playback.set_in();
        let mut playback = playback.open(5, Some(10.0), now);
        show(&mut playback, 0, now);
        assert_eq!(playback.until_due(now), Some(Duration::from_millis(400)));
        assert_eq!(playback.in_point, None);
    }

    #[test]
    fn a_video_played_once_pauses_at_its_out_point_and_starts_again_at_its_in_point() {
        let now = Instant::now();
        let mut playback = video(9, now);
        playback.repeat = Repeat::Once;
        show(&mut playback, 2, now);
        playback.set_in();
        show(&mut playback, 6, now);
        assert!(playback.playing());
        playback.set_out();
        show(&mut playback, 6, now);
        assert!(!playback.playing());
        assert_eq!(playback.toggle(now), Some(Cursor { index: 2, reversed: false }));
        playback.index = 7;
        playback.set_in();
        assert_eq!((playback.in_point, playback.out_point), (Some(7), None));
        playback.clear_in_out();
        assert_eq!((playback.route().first, playback.route().last), (0, 8));
    }
}
