//! The live preview: a loop of small frames that are replaced by better ones during denoising.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::ColorImage;

use crate::app::background::frame_image::color_image;
use crate::core::Frame;

/// Duration of one preview frame, which represents four frames of video.
const INTERVAL: Duration = Duration::from_millis(250);

/// The frames and the current position.
pub(in crate::app) struct Reel {
    frames: Arc<[Frame]>,
    began: Instant,
    shown: Option<usize>,
}

impl Reel {
    /// A loop that begins now.
    pub(in crate::app) fn new(frames: Arc<[Frame]>, now: Instant) -> Self {
        Self { frames, began: now, shown: None }
    }

    /// Replaces the frames at the same position.
    pub(in crate::app) fn exchange(&mut self, frames: Arc<[Frame]>) {
        self.frames = frames;
        self.shown = None;
    }

    /// The frame to show now, if it has changed, and the time until the next one, if there are several.
    pub(in crate::app) fn due(&mut self, now: Instant) -> (Option<ColorImage>, Option<Duration>) {
        let passed = now.saturating_duration_since(self.began);
        let turns = (passed.as_millis() / INTERVAL.as_millis()) as usize;
        let Some(frame) = self.frames.get(turns % self.frames.len().max(1)) else { return (None, None) };
        let index = turns % self.frames.len();
        let image = (self.shown != Some(index)).then(|| {
            self.shown = Some(index);
            color_image(frame)
        });
        let next = (INTERVAL * (turns as u32 + 1)).saturating_sub(passed);
        (image, (self.frames.len() > 1).then_some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Resolution;

    fn frames(values: &[u8]) -> Arc<[Frame]> {
        values.iter().map(|&value| Frame { size: Resolution::new(1, 1), rgb: vec![value; 3] }).collect()
    }

    fn red(image: Option<ColorImage>) -> Option<u8> {
        image.map(|image| image.pixels[0].r())
    }

    #[test]
    fn images_follow_in_a_loop_and_are_replaced_in_place() {
        let began = Instant::now();
        let mut reel = Reel::new(frames(&[1, 2]), began);
        let at = |reel: &mut Reel, turns: u32| red(reel.due(began + INTERVAL * turns).0);
        assert_eq!(
            [at(&mut reel, 0), at(&mut reel, 0), at(&mut reel, 1), at(&mut reel, 2)],
            [Some(1), None, Some(2), Some(1)]
        );
        reel.exchange(frames(&[7, 8]));
        assert_eq!(at(&mut reel, 3), Some(8));
        assert_eq!(Reel::new(frames(&[1]), began).due(began).1, None);
        assert_eq!(red(Reel::new(frames(&[]), began).due(began).0), None);
    }
}
