//! Checks a finished file: it can be decoded, has the expected length and size, and is not blank.

use std::fmt::Write as _;
use std::path::Path;

use crate::core::{CancelToken, Check, Fps, Frame, FrameCount, Resolution, Result};

use super::png::frame_name;
use super::reader::{Reader, VideoInfo};

/// Expected properties of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedVideo {
    /// Number of frames.
    pub frames: FrameCount,
    /// Width and height in the file, see `OutputTarget::stored_size`.
    pub size: Resolution,
    /// Frames per second; not checked in formats without a rate.
    pub fps: Fps,
}

/// A pixel is lit if its luma (0 to 255) is above this. H.264 leaves black within 3 levels.
const BLACK_LUMA: u32 = 8;
/// Minimum fraction of lit pixels in the brightest frame: a few stars in a night sky are enough.
const LIT_SHARE: f64 = 1e-4;
/// Minimum standard deviation of luma, in levels, in the most varied frame: a plain colour has 0, and less than 1 may be
/// an artefact of H.264.
const FLAT_DEVIATION: f64 = 1.0;
/// Tolerance of the duration: GIF counts in hundredths of a second.
const DURATION_TOLERANCE_SECS: f64 = 0.0051;

/// Decodes the whole file and compares it with `expected`. A difference is a failed check, not an error.
pub fn check(path: &Path, expected: &ExpectedVideo) -> Vec<Check> {
    checks(path, expected, &CancelToken::new())
}

/// The same as [`check`]; `cancel` stops it between two frames with the cancelled error.
pub fn check_cancellable(path: &Path, expected: &ExpectedVideo, cancel: &CancelToken) -> Result<Vec<Check>> {
    let found = checks(path, expected, cancel);
    cancel.check().map(|()| found)
}

fn checks(path: &Path, expected: &ExpectedVideo, cancel: &CancelToken) -> Vec<Check> {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return vec![entry("opens", false, format!("{error:#}"))],
    };
    let info = *reader.info();
    let mut seen = Seen::default();
    let decoded = seen.read_all(&mut reader, cancel);
    let detail = match &decoded {
        Ok(()) => "every frame was decoded".to_owned(),
        Err(error) => format!("frame {}: {error:#}", seen.num_frames),
    };
    let mut checks = vec![entry("opens", decoded.is_ok(), detail)];
    if seen.num_frames == 0 {
        return checks;
    }
    let (frames, num) = (expected.frames.0, seen.num_frames);
    let mut detail = format!("{num} of {frames}");
    if let Some(missing) = first_missing(path, frames) {
        write!(detail, ", {missing} is missing").ok();
    }
    checks.push(entry("frames", num == frames && info.frames.0 == frames, detail));
    let detail = format!("{}, expected {}", info.size, expected.size);
    checks.push(entry("size", info.size == expected.size, detail));
    checks.extend(rate_check(&info, expected.fps));
    let detail = format!("{:.2} % of the pixels of the brightest frame are lit", seen.lit_share * 100.0);
    checks.push(entry("not black", seen.lit_share >= LIT_SHARE, detail));
    let detail =
        format!("standard deviation of luma is {:.1} of 255 levels in the most varied frame", seen.deviation);
    checks.push(entry("not one colour", seen.deviation >= FLAT_DEVIATION, detail));
    checks
}

fn entry(name: &str, passed: bool, detail: String) -> Check {
    Check { name: name.to_owned(), passed, detail }
}

/// Name of the first missing frame in a folder of `frames` frames.
fn first_missing(path: &Path, frames: u32) -> Option<String> {
    let mut names = (0..frames).map(frame_name);
    if path.is_dir() { names.find(|name| !path.join(name).is_file()) } else { None }
}

fn rate_check(info: &VideoInfo, fps: Fps) -> Option<Check> {
    let rate = info.rate_hz?;
    let expected_secs = f64::from(info.frames.0) / f64::from(fps.0);
    let is_right = (info.duration()?.0 - expected_secs).abs() <= DURATION_TOLERANCE_SECS;
    Some(entry("fps", is_right, format!("{rate:.3}, expected {}", fps.0)))
}

/// Maxima over all frames, because a video may start or end in black.
#[derive(Default)]
struct Seen {
    num_frames: u32,
    lit_share: f64,
    deviation: f64,
}

impl Seen {
    fn read_all(&mut self, reader: &mut Reader, cancel: &CancelToken) -> Result<()> {
        while let Some(frame) = reader.next_frame()? {
            cancel.check()?;
            self.num_frames += 1;
            self.measure(&frame);
        }
        Ok(())
    }

    fn measure(&mut self, frame: &Frame) {
        let (mut lit, mut sum, mut squares) = (0_u64, 0_u64, 0_u64);
        for pixel in frame.rgb.chunks_exact(3) {
            // weights of BT.709 in 256ths
            let luma = (54 * u32::from(pixel[0]) + 183 * u32::from(pixel[1]) + 19 * u32::from(pixel[2])) >> 8;
            lit += u64::from(luma > BLACK_LUMA);
            sum += u64::from(luma);
            squares += u64::from(luma * luma);
        }
        let count = frame.size.area() as f64;
        let mean = sum as f64 / count;
        let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt();
        self.lit_share = self.lit_share.max(lit as f64 / count);
        self.deviation = self.deviation.max(deviation);
    }
}
