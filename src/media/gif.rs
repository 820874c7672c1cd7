//! Frames to an animated GIF, and back through the `image` crate.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use gif::{AnyExtension, Encoder, Extension, Repeat};
use image::AnimationDecoder as _;
use image::codecs::gif::GifDecoder;

use crate::core::{Error, Fps, Frame, Kind, Resolution, Result};

use super::fault::{damaged, io_error};
use super::gif_blocks::{self, GifSummary, MACHINE_PREFIX};
use super::metadata::Metadata;
use super::reader::VideoInfo;
use super::staged::StagedFile;
use super::target::Target;

/// Effort of the palette search, 1 (best) to 30; 10 is where it stops to be visible.
const PALETTE_SPEED: i32 = 10;

/// A GIF that is being written. Frames go to the disk as they come.
pub(super) struct GifWriter {
    encoder: Encoder<BufWriter<File>>,
    // after the encoder, which writes to it when dropped
    file: StagedFile,
    path: PathBuf,
    fps: Fps,
    num_frames: u32,
}

impl GifWriter {
    pub(super) fn create(target: &Target, size: Resolution, fps: Fps) -> Result<Self> {
        let path = target.path().to_path_buf();
        let mut file = StagedFile::create(target)?;
        let handle = file.file().try_clone().map_err(|error| io_error(CANNOT_WRITE, &path, error))?;
        let mut encoder = Encoder::new(BufWriter::new(handle), size.width as u16, size.height as u16, &[])
            .map_err(|error| write_error(&path, error))?;
        encoder.set_repeat(Repeat::Infinite).map_err(|error| write_error(&path, error))?;
        Ok(Self { encoder, file, path, fps, num_frames: 0 })
    }

    pub(super) fn push(&mut self, frame: &Frame) -> Result<()> {
        let (width, height) = (frame.size.width as u16, frame.size.height as u16);
        let mut picture = gif::Frame::from_rgb_speed(width, height, &frame.rgb, PALETTE_SPEED);
        picture.delay = delay_hundredths(self.num_frames, self.fps);
        self.num_frames += 1;
        self.encoder.write_frame(&picture).map_err(|error| write_error(&self.path, error))
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Result<PathBuf> {
        let machine = format!("{MACHINE_PREFIX}{}", metadata.json());
        // the line for people last: ffmpeg shows the last comment
        for text in [machine.as_str(), metadata.comment()] {
            let label = AnyExtension::from(Extension::Comment);
            let written = self.encoder.write_raw_extension(label, &[text.as_bytes()]);
            written.map_err(|error| write_error(&self.path, error))?;
        }
        let buffer = self.encoder.into_inner().map_err(|error| write_error(&self.path, error))?;
        let flushed = buffer.into_inner().map(drop);
        flushed.map_err(|error| io_error(CANNOT_WRITE, &self.path, error.into_error()))?;
        self.file.commit()
    }
}

const CANNOT_WRITE: &str = "Cannot write";

fn write_error(path: &Path, error: gif::EncodingError) -> Error {
    match error {
        gif::EncodingError::Io(error) => io_error(CANNOT_WRITE, path, error),
        other => Error::new(Kind::Bug, "The GIF encoder refused a frame").because(other),
    }
}

/// How long frame `index` is shown, in GIF's hundredths of a second; the rounding never adds up.
fn delay_hundredths(index: u32, fps: Fps) -> u16 {
    let start_of = |index: u64| (index * 100 + u64::from(fps.0) / 2) / u64::from(fps.0);
    (start_of(u64::from(index) + 1) - start_of(u64::from(index))) as u16
}

/// Decodes the pictures of a GIF one after the other.
pub(super) struct GifReader {
    path: PathBuf,
    summary: GifSummary,
    frames: Option<image::Frames<'static>>,
    next: u32,
}

impl GifReader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let summary = gif_blocks::read(path)?;
        if summary.num_frames == 0 {
            return Err(damaged(path, "it has no frames"));
        }
        if !summary.is_whole {
            return Err(damaged(path, &format!("it is cut off after {} frames", summary.num_frames)));
        }
        Ok(Self { path: path.to_path_buf(), summary, frames: None, next: 0 })
    }

    pub(super) fn info(&self) -> VideoInfo {
        let seconds = f64::from(self.summary.hundredths) / 100.0;
        let rate = f64::from(self.summary.num_frames) / seconds;
        VideoInfo {
            size: self.summary.size,
            frames: crate::core::FrameCount(self.summary.num_frames),
            rate_hz: (seconds > 0.0).then_some(rate),
        }
    }

    /// Decodes frame `index`; going on is quick, going back starts from the first.
    pub(super) fn frame(&mut self, index: u32) -> Result<Frame> {
        let bad = |error: image::ImageError| damaged(&self.path, "a frame cannot be decoded").because(error);
        if self.frames.is_none() || index < self.next {
            let file = File::open(&self.path).map_err(|error| io_error("Cannot read", &self.path, error))?;
            self.frames = Some(GifDecoder::new(BufReader::new(file)).map_err(bad)?.into_frames());
            self.next = 0;
        }
        while let Some(picture) = self.frames.as_mut().and_then(Iterator::next) {
            self.next += 1;
            if self.next == index + 1 {
                let picture =
                    image::DynamicImage::ImageRgba8(picture.map_err(bad)?.into_buffer()).into_rgb8();
                let size = Resolution::new(picture.width(), picture.height());
                return Ok(Frame { size, rgb: picture.into_raw() });
            }
        }
        Err(damaged(&self.path, &format!("frame {index} is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_add_up_to_the_exact_time() {
        for fps in 1..=50 {
            let delays: Vec<_> = (0..fps * 3).map(|index| delay_hundredths(index, Fps(fps))).collect();
            assert_eq!(delays.iter().map(|&delay| u32::from(delay)).sum::<u32>(), 300, "{fps}");
            assert!(
                delays
                    .iter()
                    .all(|&delay| f64::from(delay).mul_add(1.0, -100.0 / f64::from(fps)).abs() < 1.0)
            );
            assert!(delays.iter().all(|&delay| delay >= 2), "players slow down shorter ones");
        }
    }
}
