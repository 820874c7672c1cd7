//! Frame count, duration and comments of a GIF file, read from its blocks without decoding images.
//!
//! The decoder in use skips comments, and counts frames only by decoding them.

use std::path::Path;

use crate::core::{Bytes, Resolution, Result, read_bounded};

use super::fault::{damaged, io_error};

/// Prefix of the comment with the request as JSON.
pub(super) const MACHINE_PREFIX: &str = "wandeck:";

/// Summary of the blocks of a GIF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GifSummary {
    pub(super) size: Resolution,
    pub(super) num_frames: u32,
    /// Duration in hundredths of a second.
    pub(super) hundredths: u32,
    /// Texts of the comment extensions.
    pub(super) comments: Vec<String>,
    /// Whether the file has its trailer.
    pub(super) is_whole: bool,
    /// Pixels of the largest image.
    largest: u64,
    /// Pixels of all images.
    pixels: u64,
}

/// Introducers and labels of the GIF specification (version 89a), sections 20 to 27.
const IMAGE: u8 = 0x2C;
const EXTENSION: u8 = 0x21;
const TRAILER: u8 = 0x3B;
const COMMENT: u8 = 0xFE;
const GRAPHIC_CONTROL: u8 = 0xF9;

/// Largest file that is read; it is held in memory.
const MAX_FILE: Bytes = Bytes(512 << 20);
/// Largest number of pixels of one image; its decoder holds them with four bytes each.
const MAX_IMAGE_PIXELS: u64 = 100_000_000;
/// Largest number of pixels of all images together, which bounds the time to decode them: 36 minutes of 1280x720 at
/// two frames per second. A file of a few megabytes can hold a thousand times as many.
const MAX_PIXELS_IN_ALL: u64 = 4_000_000_000;
/// Largest number of bytes of all comments together.
const MAX_COMMENTS: usize = 16 << 20;

/// Reads the blocks of a file.
pub(super) fn read(path: &Path) -> Result<GifSummary> {
    let bytes = read_bounded(path, MAX_FILE).map_err(|error| io_error("Cannot read", path, error))?;
    summary_of(&bytes, path)
}

/// Reads the blocks of the bytes of the file at `path`.
pub(super) fn summary_of(bytes: &[u8], path: &Path) -> Result<GifSummary> {
    let mut summary = Blocks(bytes).header().ok_or_else(|| damaged(path, "it has no GIF header"))?;
    let mut blocks = Blocks(&bytes[summary.1..]);
    // reading stops at a truncated block
    summary.0.is_whole = blocks.read_into(&mut summary.0).is_some();
    let GifSummary { largest, pixels, .. } = summary.0;
    if largest > MAX_IMAGE_PIXELS {
        let what = format!("an image in it has {largest} pixels, more than {MAX_IMAGE_PIXELS}");
        return Err(damaged(path, &what));
    }
    if pixels > MAX_PIXELS_IN_ALL {
        let what = format!("its images have {pixels} pixels in all, more than {MAX_PIXELS_IN_ALL}");
        return Err(damaged(path, &what));
    }
    Ok(summary.0)
}

/// The request as JSON text, if the file has one.
pub(super) fn read_metadata(path: &Path) -> Result<Option<String>> {
    let comments = read(path)?.comments;
    Ok(comments.iter().find_map(|text| text.strip_prefix(MACHINE_PREFIX)).map(str::to_owned))
}

/// The bytes that are left to read.
struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// The screen size, and the offset of the first block.
    fn header(mut self) -> Option<(GifSummary, usize)> {
        let all = self.0.len();
        if !self.take(6)?.starts_with(b"GIF8") {
            return None;
        }
        let screen = self.take(7)?;
        let size = Resolution::new(
            u32::from(u16::from_le_bytes([screen[0], screen[1]])),
            u32::from(u16::from_le_bytes([screen[2], screen[3]])),
        );
        self.skip_palette(screen[4])?;
        let summary = GifSummary {
            size,
            num_frames: 0,
            hundredths: 0,
            comments: Vec::new(),
            is_whole: false,
            largest: 0,
            pixels: 0,
        };
        Some((summary, all - self.0.len()))
    }

    fn skip_palette(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Some(())
    }

    fn sub_blocks(&mut self) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            match self.byte()? {
                0 => return Some(data),
                length => data.extend_from_slice(self.take(usize::from(length))?),
            }
        }
    }

    /// Reads up to the trailer; `None` if the file is truncated.
    fn read_into(&mut self, summary: &mut GifSummary) -> Option<()> {
        let mut comments = 0;
        loop {
            match self.byte()? {
                IMAGE => {
                    let descriptor = self.take(9)?;
                    self.skip_palette(descriptor[8])?;
                    self.byte()?;
                    self.sub_blocks()?;
                    summary.num_frames = summary.num_frames.saturating_add(1);
                    let side =
                        |at: usize| u64::from(u16::from_le_bytes([descriptor[at], descriptor[at + 1]]));
                    let pixels = side(4) * side(6);
                    summary.largest = summary.largest.max(pixels);
                    summary.pixels = summary.pixels.saturating_add(pixels);
                }
                EXTENSION => {
                    let label = self.byte()?;
                    let data = self.sub_blocks()?;
                    match (label, data.as_slice()) {
                        (COMMENT, text) if comments + text.len() <= MAX_COMMENTS => {
                            comments += text.len();
                            summary.comments.push(String::from_utf8_lossy(text).into_owned());
                        }
                        (GRAPHIC_CONTROL, [_, low, high, ..]) => {
                            let delay = u32::from(u16::from_le_bytes([*low, *high]));
                            summary.hundredths = summary.hundredths.saturating_add(delay);
                        }
                        _ => {}
                    }
                }
                TRAILER => return Some(()),
                _ => return None,
            }
        }
    }
}
