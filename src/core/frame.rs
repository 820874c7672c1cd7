//! One picture of a video.

use super::units::Resolution;

/// 8-bit RGB, rows from top to bottom, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width and height in pixels.
    pub size: Resolution,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}
