//! Writes frames to one output file or folder, and removes it if it is not completed.

use std::path::Path;

use crate::core::{Error, Fps, Frame, FrameCount, Kind, Resolution, Result};

use super::gif::GifWriter;
use super::metadata::Metadata;
use super::mp4_mux::Mp4Writer;
use super::png::{PngWriter, SequenceWriter};
use super::staged::StagedVideo;
use super::target::{Format, OutputTarget};

/// A video that is being written.
///
/// It has a temporary name beside its target until [`StagedVideo::place`] renames it, complete and synced. Dropping it
/// before that (on an error, a cancel or a panic) removes it.
pub struct Writer {
    sink: Sink,
    size: Resolution,
    frames: FrameCount,
    num_pushed: u32,
}

enum Sink {
    Mp4(Box<Mp4Writer>),
    Gif(Box<GifWriter>),
    Png(PngWriter),
    Sequence(SequenceWriter),
}

impl Writer {
    /// Starts a video of `frames` frames of `size` at `fps`, and creates missing folders.
    pub fn create(target: &OutputTarget, size: Resolution, fps: Fps, frames: FrameCount) -> Result<Self> {
        target.check_video(size, fps)?;
        let sink = match target.format() {
            Format::Mp4 => Sink::Mp4(Box::new(Mp4Writer::create(target, size, fps)?)),
            Format::Gif => Sink::Gif(Box::new(GifWriter::create(target, size, fps)?)),
            Format::Png => Sink::Png(PngWriter::create(target)?),
            Format::PngSequence => Sink::Sequence(SequenceWriter::create(target)?),
        };
        Ok(Self { sink, size, frames, num_pushed: 0 })
    }

    /// The temporary path to which it is written.
    pub fn hidden(&self) -> &Path {
        match &self.sink {
            Sink::Mp4(writer) => writer.hidden(),
            Sink::Gif(writer) => writer.hidden(),
            Sink::Png(writer) => writer.hidden(),
            Sink::Sequence(writer) => writer.hidden(),
        }
    }

    /// Adds the next frame.
    pub fn push(&mut self, frame: &Frame) -> Result<()> {
        if frame.size != self.size || frame.rgb.len() as u64 != self.size.area() * 3 {
            let (size, bytes) = (frame.size, frame.rgb.len());
            let message =
                format!("Received a frame of {size} with {bytes} bytes for a video of {}", self.size);
            return Err(Error::new(Kind::Bug, message));
        }
        if self.num_pushed == self.frames.0 {
            return Err(Error::new(
                Kind::Bug,
                format!("Received more frames than the expected {}", self.frames.0),
            ));
        }
        match &mut self.sink {
            Sink::Mp4(writer) => writer.push(frame)?,
            Sink::Gif(writer) => writer.push(frame)?,
            Sink::Png(writer) => writer.push(frame),
            Sink::Sequence(writer) => writer.push(frame)?,
        }
        self.num_pushed += 1;
        Ok(())
    }

    /// Completes the video, which keeps its temporary name until [`StagedVideo::place`].
    pub fn finish(self, metadata: &Metadata) -> Result<StagedVideo> {
        if self.num_pushed != self.frames.0 {
            let message = format!("Received only {} of {} frames", self.num_pushed, self.frames.0);
            return Err(Error::new(Kind::Bug, message));
        }
        match self.sink {
            Sink::Mp4(writer) => writer.finish(metadata),
            Sink::Gif(writer) => writer.finish(metadata),
            Sink::Png(writer) => writer.finish(metadata),
            Sink::Sequence(writer) => writer.finish(metadata),
        }
    }
}
