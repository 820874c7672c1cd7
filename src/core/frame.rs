//! One frame of a video.

use super::units::Resolution;

/// A frame in 8-bit RGB, rows from top to bottom, three bytes per pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width and height in pixels.
    pub size: Resolution,
    /// Pixel data, `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}
