//! An open video with its decoded frames, as the player and the comparison use it.

use std::path::Path;

use eframe::egui::ColorImage;

use super::frame_cache::FrameCache;
use crate::app::background::frame_image::color_image;
use crate::core::{Error, Kind, Result};
use crate::media::{Reader, VideoInfo};

/// An open video and the frames of it that are kept.
pub(in crate::app) struct CachedClip {
    reader: Reader,
    cache: FrameCache,
    budget: usize,
}

impl CachedClip {
    /// Opens a video and keeps up to `budget` bytes of frames.
    pub(in crate::app) fn open(path: &Path, budget: usize) -> Result<Self> {
        Ok(Self { reader: Reader::open(path)?, cache: FrameCache::new(budget), budget })
    }

    /// Size, length and rate.
    pub(in crate::app) fn info(&self) -> &VideoInfo {
        self.reader.info()
    }

    /// Frame `index`. If it is not kept, up to `group` frames that end with it are decoded.
    pub(in crate::app) fn image(&mut self, index: u32, group: u32) -> Result<ColorImage> {
        if self.cache.get(index).is_none() {
            let bytes = (self.reader.info().size.area() as usize * 3).max(1);
            let group = group.min((self.budget / bytes) as u32).max(1);
            for index in index.saturating_sub(group - 1)..=index {
                self.decode(index)?;
            }
        }
        let frame = self.cache.get(index).ok_or_else(no_frame)?;
        Ok(color_image(frame))
    }

    fn decode(&mut self, index: u32) -> Result<()> {
        if self.cache.get(index).is_none() {
            self.reader.seek(index);
            let frame = self.reader.next_frame()?.ok_or_else(no_frame)?;
            self.cache.insert(index, frame);
        }
        Ok(())
    }
}

fn no_frame() -> Error {
    Error::new(Kind::Io, "The video has no frames").remedy("Open another video")
}
