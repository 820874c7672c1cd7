//! The order of frames: direction, in and out points, repeat mode.

use crate::app::panels::player::Repeat;

/// A frame and the direction in which it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The frame, counted from 0.
    pub(super) index: u32,
    /// Whether the video plays backwards.
    pub(super) reversed: bool,
}

/// The played range of a video, and what happens at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// First frame, counted from 0.
    pub(super) first: u32,
    /// Last frame.
    pub(super) last: u32,
    /// What happens at the ends.
    pub(super) repeat: Repeat,
}

impl Route {
    /// The same route in a video of `frames` frames.
    pub(super) fn within(self, frames: u32) -> Self {
        let last = self.last.min(frames.saturating_sub(1));
        Self { last, first: self.first.min(last), ..self }
    }

    /// The frame after `from`; `None` at the end of a video that is played once.
    ///
    /// From a frame outside of the range, playback moves towards it, or to its start if past the end.
    pub(super) fn after(self, from: Cursor) -> Option<Cursor> {
        let Cursor { index, reversed } = from;
        let is_end = if reversed { index <= self.first } else { index >= self.last };
        if !is_end {
            let index = if reversed { index - 1 } else { index + 1 };
            return Some(Cursor { index, reversed });
        }
        match self.repeat {
            Repeat::Once => None,
            Repeat::Loop => Some(self.start(reversed)),
            Repeat::PingPong => {
                let index = if reversed { self.first + 1 } else { self.last.saturating_sub(1) };
                Some(Cursor { index: index.clamp(self.first, self.last), reversed: !reversed })
            }
        }
    }

    /// The frame at which playback in a direction starts.
    pub(super) fn start(self, reversed: bool) -> Cursor {
        Cursor { index: if reversed { self.last } else { self.first }, reversed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(route: Route, from: Cursor) -> Vec<u32> {
        let next = |cursor: &Cursor| route.after(*cursor);
        std::iter::successors(Some(from), next).take(8).map(|cursor| cursor.index).collect()
    }

    #[test]
    fn each_repeat_mode_has_its_own_end() {
        let route = |repeat| Route { first: 1, last: 3, repeat };
        let forward = Cursor { index: 0, reversed: false };
        assert_eq!(indices(route(Repeat::Once), forward), [0, 1, 2, 3]);
        assert_eq!(indices(route(Repeat::Loop), forward), [0, 1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(indices(route(Repeat::PingPong), forward), [0, 1, 2, 3, 2, 1, 2, 3]);
        let reverse = Cursor { index: 4, reversed: true };
        assert_eq!(indices(route(Repeat::Once), reverse), [4, 3, 2, 1]);
        assert_eq!(indices(route(Repeat::Loop), reverse), [4, 3, 2, 1, 3, 2, 1, 3]);
        assert_eq!(indices(route(Repeat::PingPong), reverse), [4, 3, 2, 1, 2, 3, 2, 1]);
    }

    #[test]
    fn one_frame_repeats_itself() {
        for repeat in [Repeat::Loop, Repeat::PingPong] {
            let route = Route { first: 2, last: 2, repeat };
            assert_eq!(indices(route, Cursor { index: 2, reversed: false })[..3], [2, 2, 2]);
        }
        let route = Route { first: 5, last: u32::MAX, repeat: Repeat::Loop }.within(3);
        assert_eq!((route.first, route.last), (2, 2));
    }
}
