//! Writer and reader of animated GIFs.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use gif::{AnyExtension, ColorOutput, DecodeOptions, Decoder, DisposalMethod, Encoder, Extension, Repeat};

use crate::core::{Error, Fps, Frame, FrameCount, Kind, Resolution, Result, open_regular};

use super::fault::{damaged, io_error};
use super::gif_blocks::{self, GifSummary, MACHINE_PREFIX};
use super::metadata::Metadata;
use super::reader::VideoInfo;
use super::staged::{StagedFile, StagedVideo};
use super::target::OutputTarget;

/// Speed of the palette search from 1 (best) to 30; below 10 there is no visible improvement.
const PALETTE_SPEED: i32 = 10;

/// Maximum number of pixels; a larger size is treated as damage, since one frame would need 300 MB.
const MAX_PIXELS: u64 = 100_000_000;

/// Writer of a GIF. Frames are written to disk as they arrive.
pub(super) struct GifWriter {
    encoder: Encoder<BufWriter<File>>,
    // after the encoder, which writes to it when dropped
    file: StagedFile,
    path: PathBuf,
    fps: Fps,
    num_frames: u32,
}

impl GifWriter {
    pub(super) fn create(target: &OutputTarget, size: Resolution, fps: Fps) -> Result<Self> {
        let path = target.path().to_path_buf();
        let mut file = StagedFile::create(target)?;
        let handle = file.file().try_clone().map_err(|error| io_error(CANNOT_WRITE, &path, error))?;
        let mut encoder = Encoder::new(BufWriter::new(handle), size.width as u16, size.height as u16, &[])
            .map_err(|error| write_error(&path, error))?;
        encoder.set_repeat(Repeat::Infinite).map_err(|error| write_error(&path, error))?;
        Ok(Self { encoder, file, path, fps, num_frames: 0 })
    }

    pub(super) fn hidden(&self) -> &Path {
        self.file.hidden()
    }

    pub(super) fn push(&mut self, frame: &Frame) -> Result<()> {
        let (width, height) = (frame.size.width as u16, frame.size.height as u16);
        let mut image = gif::Frame::from_rgb_speed(width, height, &frame.rgb, PALETTE_SPEED);
        image.delay = delay_hundredths(self.num_frames, self.fps);
        self.num_frames += 1;
        self.encoder.write_frame(&image).map_err(|error| write_error(&self.path, error))
    }

    pub(super) fn finish(mut self, metadata: &Metadata) -> Result<StagedVideo> {
        let machine = format!("{MACHINE_PREFIX}{}", metadata.json());
        // the readable comment last, because ffmpeg shows the last one
        for text in [machine.as_str(), metadata.comment()] {
            let label = AnyExtension::from(Extension::Comment);
            let written = self.encoder.write_raw_extension(label, &[text.as_bytes()]);
            written.map_err(|error| write_error(&self.path, error))?;
        }
        let buffer = self.encoder.into_inner().map_err(|error| write_error(&self.path, error))?;
        let flushed = buffer.into_inner().map(drop);
        flushed.map_err(|error| io_error(CANNOT_WRITE, &self.path, error.into_error()))?;
        self.file.ready()
    }
}

const CANNOT_WRITE: &str = "Cannot write";

fn write_error(path: &Path, error: gif::EncodingError) -> Error {
    match error {
        gif::EncodingError::Io(error) => io_error(CANNOT_WRITE, path, error),
        other => Error::new(Kind::Bug, "The GIF encoder rejected a frame").because(other),
    }
}

/// Delay of frame `index` in hundredths of a second; rounding errors do not accumulate.
fn delay_hundredths(index: u32, fps: Fps) -> u16 {
    let start_of = |index: u64| (index * 100 + u64::from(fps.0) / 2) / u64::from(fps.0);
    (start_of(u64::from(index) + 1) - start_of(u64::from(index))) as u16
}

/// Reader of a GIF.
pub(super) struct GifReader {
    path: PathBuf,
    summary: GifSummary,
    playing: Option<Playing>,
}

/// State of the decoder: each image is drawn over the previous ones.
struct Playing {
    decoder: Decoder<BufReader<File>>,
    canvas: Frame,
    /// The canvas to restore before the next image is drawn.
    undo: Option<Frame>,
    /// Index of the next image.
    next: u32,
}

impl GifReader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let summary = gif_blocks::read(path)?;
        if summary.size.area() > MAX_PIXELS || summary.size.area() == 0 {
            return Err(damaged(
                path,
                &format!("its size is {}, more than {MAX_PIXELS} pixels or none", summary.size),
            ));
        }
        if summary.num_frames == 0 {
            return Err(damaged(path, "it has no frames"));
        }
        if !summary.is_whole {
            return Err(damaged(path, &format!("it is truncated after {} frames", summary.num_frames)));
        }
        Ok(Self { path: path.to_path_buf(), summary, playing: None })
    }

    pub(super) fn info(&self) -> VideoInfo {
        let seconds = f64::from(self.summary.hundredths) / 100.0;
        let rate = f64::from(self.summary.num_frames) / seconds;
        VideoInfo {
            size: self.summary.size,
            frames: FrameCount(self.summary.num_frames),
            rate_hz: (seconds > 0.0).then_some(rate),
        }
    }

    /// Decodes frame `index`; seeking backwards decodes again from the first frame.
    pub(super) fn frame(&mut self, index: u32) -> Result<Frame> {
        let mut playing = match self.playing.take() {
            Some(playing) if playing.next <= index => playing,
            _ => self.start()?,
        };
        while playing.next <= index {
            let drawn = playing.draw_next();
            drawn.map_err(|error| damaged(&self.path, "a frame cannot be decoded").because(error))?;
        }
        Ok(self.playing.insert(playing).canvas.clone())
    }

    fn start(&self) -> Result<Playing> {
        let file = open_regular(&self.path).map_err(|error| io_error("Cannot read", &self.path, error))?;
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let decoder = options
            .read_info(BufReader::new(file))
            .map_err(|error| damaged(&self.path, "it cannot be decoded").because(error))?;
        let size = self.summary.size;
        let canvas = Frame { size, rgb: vec![0; size.area() as usize * 3] };
        Ok(Playing { decoder, canvas, undo: None, next: 0 })
    }
}

impl Playing {
    fn draw_next(&mut self) -> Result<(), gif::DecodingError> {
        if let Some(before) = self.undo.take() {
            self.canvas = before;
        }
        let end = || gif::DecodingError::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        let frame = self.decoder.read_next_frame()?.ok_or_else(end)?;
        if frame.dispose == DisposalMethod::Previous {
            self.undo = Some(self.canvas.clone());
        }
        let row_bytes = self.canvas.size.width as usize * 3;
        let (left, top, width) =
            (usize::from(frame.left) * 3, usize::from(frame.top), usize::from(frame.width));
        let rows = self.canvas.rgb.chunks_exact_mut(row_bytes).skip(top);
        for (row, pixels) in rows.zip(frame.buffer.chunks_exact(width.max(1) * 4)) {
            // pixels outside the canvas are not shown
            let row = row.get_mut(left..).unwrap_or_default();
            for (to, from) in row.chunks_exact_mut(3).zip(pixels.chunks_exact(4)) {
                if from[3] != 0 {
                    to.copy_from_slice(&from[..3]);
                }
            }
        }
        if frame.dispose == DisposalMethod::Background {
            let mut cleared = self.canvas.clone();
            let rows = cleared.rgb.chunks_exact_mut(row_bytes).skip(top).take(usize::from(frame.height));
            for row in rows {
                let end = (left + width * 3).min(row_bytes);
                row.get_mut(left..end).unwrap_or_default().fill(0);
            }
            self.undo = Some(cleared);
        }
        self.next += 1;
        Ok(())
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
