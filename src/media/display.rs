//! How stored frames of a video are shown: pixel aspect ratio, rotation and mirroring.

use image::imageops::{FilterType, resize};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use mp4_atom::{Matrix, Pasp};

use crate::core::{Frame, Resolution};

/// Largest pixel aspect ratio that is applied; a larger one is treated as damage and ignored.
const MAX_ASPECT: f64 = 8.0;
/// Largest side of a shown frame in pixels.
const MAX_SIDE: f64 = 16_384.0;

/// The change from stored frames to shown frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Display {
    /// Width of a pixel divided by its height.
    pixel_aspect: f64,
    orientation: Orientation,
}

impl Display {
    /// Reads the matrix of the track (`tkhd`) and the pixel aspect ratio of its sample entry (`pasp`), ISO/IEC 14496-12
    /// sections 8.3.2 and 12.1.4.
    pub(super) fn new(matrix: &Matrix, pasp: Option<&Pasp>) -> Self {
        let aspect = pasp.map_or(1.0, |pasp| f64::from(pasp.h_spacing) / f64::from(pasp.v_spacing));
        let is_valid = aspect.is_finite() && (MAX_ASPECT.recip()..=MAX_ASPECT).contains(&aspect);
        Self { pixel_aspect: if is_valid { aspect } else { 1.0 }, orientation: orientation_of(matrix) }
    }

    /// Size of the shown frame for a stored frame of `size`.
    pub(super) fn size(self, size: Resolution) -> Resolution {
        let square = self.square(size);
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => Resolution::new(square.height, square.width),
            _ => square,
        }
    }

    /// The frame as it is shown.
    pub(super) fn apply(self, frame: Frame) -> Frame {
        let size = self.square(frame.size);
        if size == frame.size && self.orientation == Orientation::NoTransforms {
            return frame;
        }
        let stored = frame.size;
        let Some(mut image) = RgbImage::from_raw(stored.width, stored.height, frame.rgb) else {
            return Frame { size: stored, rgb: Vec::new() };
        };
        if size != stored {
            image = resize(&image, size.width, size.height, FilterType::CatmullRom);
        }
        let mut image = DynamicImage::from(image);
        image.apply_orientation(self.orientation);
        let image = image.into_rgb8();
        Frame { size: Resolution::new(image.width(), image.height()), rgb: image.into_raw() }
    }

    /// The size with square pixels: one side is enlarged, so that no detail is lost.
    fn square(self, size: Resolution) -> Resolution {
        let larger = |side: u32, factor: f64| (f64::from(side) * factor).round().clamp(1.0, MAX_SIDE) as u32;
        if self.pixel_aspect > 1.0 {
            Resolution::new(larger(size.width, self.pixel_aspect), size.height)
        } else if self.pixel_aspect < 1.0 {
            Resolution::new(size.width, larger(size.height, self.pixel_aspect.recip()))
        } else {
            size
        }
    }
}

/// The rotation or mirroring of a matrix, which maps a point `(x, y)` to `(a x + c y, b x + d y)`, y downwards. Other
/// matrices, such as shears, are ignored.
fn orientation_of(matrix: &Matrix) -> Orientation {
    let Matrix { a, b, c, d, .. } = *matrix;
    match [a, b, c, d].map(i32::signum) {
        [0, 1, -1, 0] => Orientation::Rotate90,
        [-1, 0, 0, -1] => Orientation::Rotate180,
        [0, -1, 1, 0] => Orientation::Rotate270,
        [-1, 0, 0, 1] => Orientation::FlipHorizontal,
        [1, 0, 0, -1] => Orientation::FlipVertical,
        [0, 1, 1, 0] => Orientation::Rotate90FlipH,
        [0, -1, -1, 0] => Orientation::Rotate270FlipH,
        _ => Orientation::NoTransforms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pixels in a row: A, B.
    fn row() -> Frame {
        Frame { size: Resolution::new(2, 1), rgb: vec![1, 1, 1, 2, 2, 2] }
    }

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Matrix {
        let one = 1 << 16;
        Matrix { a: a * one, b: b * one, c: c * one, d: d * one, ..Matrix::default() }
    }

    #[test]
    fn the_matrix_rotates_and_mirrors() {
        for ([a, b, c, d], size, first) in [
            ([1, 0, 0, 1], [2, 1], 1),
            // x becomes y downwards: a quarter turn clockwise puts A on top
            ([0, 1, -1, 0], [1, 2], 1),
            ([0, -1, 1, 0], [1, 2], 2),
            ([-1, 0, 0, -1], [2, 1], 2),
            ([-1, 0, 0, 1], [2, 1], 2),
            ([0, 0, 0, 0], [2, 1], 1),
        ] {
            let display = Display::new(&matrix(a, b, c, d), None);
            let shown = display.apply(row());
            assert_eq!(
                (shown.size, shown.rgb[0]),
                (Resolution::new(size[0], size[1]), first),
                "{a} {b} {c} {d}"
            );
            assert_eq!(display.size(row().size), shown.size);
        }
    }

    #[test]
    fn pixels_become_square_by_enlarging() {
        let shown = |h_spacing, v_spacing| {
            let pasp = Pasp { h_spacing, v_spacing };
            let display = Display::new(&Matrix::default(), Some(&pasp));
            let shown = display.apply(Frame { size: Resolution::new(4, 2), rgb: vec![7; 24] });
            assert_eq!(shown.size, display.size(Resolution::new(4, 2)));
            assert_eq!(shown.rgb.len() as u64, shown.size.area() * 3);
            shown.size
        };
        assert_eq!(shown(2, 1), Resolution::new(8, 2));
        assert_eq!(shown(1, 2), Resolution::new(4, 4));
        assert_eq!(shown(0, 1), Resolution::new(4, 2), "a damaged ratio is ignored");
        assert_eq!(shown(1, 0), Resolution::new(4, 2));
    }
}
