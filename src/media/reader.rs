//! Reader of videos, animations and images, frame by frame.

use std::path::{Path, PathBuf};

use crate::core::{Bytes, Error, Frame, FrameCount, Kind, Resolution, Result, Secs, open_regular};

use super::fault::{damaged, io_error};
use super::gif::GifReader;
use super::metadata::Container;
use super::mp4_reader::Mp4Reader;
use super::png::frame_name;

/// Longest side of a still in pixels, that of the largest GIF.
const MAX_SIDE: u32 = 65_535;
/// Bytes that the decoder of a still may allocate: 100 million pixels in 8-bit RGBA, or half as many with 16 bits.
const MAX_DECODED: Bytes = Bytes(400 << 20);

/// Size, length and rate of a video.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoInfo {
    /// Width and height in pixels.
    pub size: Resolution,
    /// Number of frames.
    pub frames: FrameCount,
    /// Frames per second; `None` for images and folders of frames.
    pub rate_hz: Option<f64>,
}

impl VideoInfo {
    /// Duration; `None` for images and folders of frames.
    pub fn duration(&self) -> Option<Secs> {
        self.rate_hz.map(|rate| Secs(f64::from(self.frames.0) / rate))
    }
}

/// An open video, animation, image or folder of frames.
///
/// Supports 8-bit H.264 in MP4 and MOV (with or without B-frames and fragments), GIF, PNG, JPEG, WebP, BMP, TIFF, PNM, and
/// folders of `frame_0000.png`, `frame_0001.png` and so on. Frames of videos are rotated as the file says, and get square
/// pixels.
///
/// ```
/// use wandeck::core::FrameCount;
/// use wandeck::media::Reader;
///
/// # fn main() -> wandeck::core::Result<()> {
/// let mut reader = Reader::open("tests/golden/refs/input.png".as_ref())?;
/// assert_eq!(reader.info().frames, FrameCount(1));
/// let frame = reader.next_frame()?.expect("an image has one frame");
/// assert_eq!(frame.rgb.len() as u64, frame.size.area() * 3);
/// # Ok(())
/// # }
/// ```
pub struct Reader {
    source: Source,
    info: VideoInfo,
    next: u32,
}

enum Source {
    Mp4(Box<Mp4Reader>),
    Gif(Box<GifReader>),
    Stills(Vec<PathBuf>),
}

impl Reader {
    /// Opens a file or folder; fails if the format is not supported or the file is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let container = Container::of(path).map_err(|error| io_error("Cannot read", path, error))?;
        let (source, info) = match container {
            Container::Mp4 => {
                let reader = Mp4Reader::open(path)?;
                let info = reader.info();
                (Source::Mp4(Box::new(reader)), info)
            }
            Container::Gif => {
                let reader = GifReader::open(path)?;
                let info = reader.info();
                (Source::Gif(Box::new(reader)), info)
            }
            Container::Png | Container::Still => open_stills(vec![path.to_path_buf()])?,
            Container::Folder => open_stills(frames_in(path)?)?,
            Container::Foreign(format) => return Err(format.error(path)),
            Container::Unknown => {
                let is_empty = std::fs::metadata(path).is_ok_and(|about| about.len() == 0);
                let what = if is_empty { "The file is empty" } else { "The file is not a video or image" };
                let message = format!("{what}: {}", path.display());
                return Err(Error::new(Kind::Unsupported, message).remedy(
                    "Open an MP4, GIF, PNG, JPEG, WebP, BMP, TIFF or PNM file, or a folder of PNG frames",
                ));
            }
        };
        Ok(Self { source, info, next: 0 })
    }

    /// Size, length and rate.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Index of the next frame, counted from 0.
    pub fn position(&self) -> u32 {
        self.next
    }

    /// Makes frame `index`, counted from 0, the next one. Cheap: [`Self::next_frame`] decodes it.
    pub fn seek(&mut self, index: u32) {
        self.next = index;
    }

    /// Decodes the next frame; `None` after the last one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.next >= self.info.frames.0 {
            return Ok(None);
        }
        let frame = match &mut self.source {
            Source::Mp4(reader) => reader.frame(self.next),
            Source::Gif(reader) => reader.frame(self.next),
            Source::Stills(paths) => read_still(&paths[self.next as usize]),
        }?;
        self.next += 1;
        if frame.size == self.info.size {
            return Ok(Some(frame));
        }
        let (index, size) = (self.next - 1, frame.size);
        Err(Error::new(Kind::Io, format!("Frame {index} is {size}, but the first one is {}", self.info.size)))
    }
}

fn open_stills(paths: Vec<PathBuf>) -> Result<(Source, VideoInfo)> {
    let first = &paths[0];
    let (width, height) = still(first)?.into_dimensions().map_err(|error| bad_still(first, error))?;
    let info = VideoInfo {
        size: Resolution::new(width, height),
        frames: FrameCount(paths.len() as u32),
        rate_hz: None,
    };
    Ok((Source::Stills(paths), info))
}

/// The frames of a folder, up to the first missing number.
fn frames_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths = (0..).map(|index| folder.join(frame_name(index)));
    let paths: Vec<_> = paths.take_while(|path| path.is_file()).collect();
    if paths.is_empty() {
        let message = format!("The folder has no {}: {}", frame_name(0), folder.display());
        return Err(Error::new(Kind::Io, message).remedy("Choose a folder of frames or a file"));
    }
    Ok(paths)
}

fn still(path: &Path) -> Result<image::ImageReader<std::io::BufReader<std::fs::File>>> {
    let reader = open_regular(path).map(std::io::BufReader::new).map(image::ImageReader::new);
    reader
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|error| io_error("Cannot read", path, error))
}

/// Largest side of a still in pixels, and most bytes that a decoder may allocate.
pub(super) fn decode_limits() -> image::Limits {
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DECODED.0);
    limits
}

fn bad_still(path: &Path, error: image::ImageError) -> Error {
    damaged(path, "the image cannot be decoded").because(error)
}

fn read_still(path: &Path) -> Result<Frame> {
    let mut reader = still(path)?;
    reader.limits(decode_limits());
    let image = reader.decode().map_err(|error| bad_still(path, error))?.into_rgb8();
    Ok(Frame { size: Resolution::new(image.width(), image.height()), rgb: image.into_raw() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn readers_and_writers_can_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<super::Reader>();
        is_send::<super::super::Writer>();
        is_send::<super::super::VideoSink>();
    }
}
