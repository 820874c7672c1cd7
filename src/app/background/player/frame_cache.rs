//! Decoded frames of one video, up to a number of bytes.

use std::collections::BTreeMap;

use crate::core::Frame;

/// Frames by index. Over the budget, the frames farthest from the newest one are dropped.
pub(super) struct FrameCache {
    frames: BTreeMap<u32, Frame>,
    bytes: usize,
    budget: usize,
}

impl FrameCache {
    /// An empty cache for `budget` bytes; it keeps one frame even if that is larger.
    pub(super) fn new(budget: usize) -> Self {
        Self { frames: BTreeMap::new(), bytes: 0, budget }
    }

    /// A cached frame.
    pub(super) fn get(&self, index: u32) -> Option<&Frame> {
        self.frames.get(&index)
    }

    /// Adds a frame.
    pub(super) fn insert(&mut self, index: u32, frame: Frame) {
        self.bytes += frame.rgb.len();
        if let Some(before) = self.frames.insert(index, frame) {
            self.bytes -= before.rgb.len();
        }
        while self.bytes > self.budget && self.frames.len() > 1 {
            let ends = [self.frames.first_key_value(), self.frames.last_key_value()];
            let farthest =
                ends.into_iter().flatten().map(|(key, _)| *key).max_by_key(|key| key.abs_diff(index));
            let dropped = farthest.and_then(|key| self.frames.remove(&key));
            self.bytes -= dropped.map_or(0, |frame| frame.rgb.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Resolution;

    #[test]
    fn the_farthest_frames_are_dropped_first() {
        let mut cache = FrameCache::new(9);
        for index in [0, 1, 2, 3, 4] {
            cache.insert(index, Frame { size: Resolution::new(1, 1), rgb: vec![0; 3] });
        }
        assert_eq!(cache.frames.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
        cache.insert(1, Frame { size: Resolution::new(1, 1), rgb: vec![0; 3] });
        assert_eq!(cache.frames.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        cache.insert(9, Frame { size: Resolution::new(4, 1), rgb: vec![0; 12] });
        assert!(cache.get(9).is_some() && cache.frames.len() == 1);
        assert_eq!(cache.bytes, 12);
    }
}
