//! RGB to YCbCr 4:2:0 and back, in integers.
//!
//! Videos are written in BT.709 with limited range, tagged in the stream and in the container, so that ffmpeg, browsers
//! and players show the same colours. Other files may be BT.601 or full range. The coefficients are those of ITU-R
//! BT.709-6 item 3.2 and BT.601-7 section 2.5. A chroma sample is the mean of its four pixels.

use crate::core::{Frame, Resolution};

/// Weights of red, green and blue in luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Standard definition.
    Bt601,
    /// High definition; used for writing.
    Bt709,
}

/// Range of levels in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorRange {
    /// Luma 16..=235, chroma 16..=240.
    Limited,
    /// All 256 levels.
    Full,
}

/// Colour space of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColorSpace {
    /// Weights of the primaries.
    pub matrix: Matrix,
    /// Levels in use.
    pub range: ColorRange,
}

/// A frame in three planes, chroma at half the width and height; both sides are even.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yuv420 {
    /// Width and height of the luma plane.
    pub size: Resolution,
    /// Luma.
    pub y: Vec<u8>,
    /// Blue difference.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
}

/// Planes of a decoded frame, rows `stride` bytes apart.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) y: &'a [u8],
    pub(super) u: &'a [u8],
    pub(super) v: &'a [u8],
    pub(super) stride_y: usize,
    pub(super) stride_uv: usize,
}

/// Fractional bits of the fixed-point arithmetic.
const BITS: u32 = 16;
const ONE: f64 = (1 << BITS) as f64;

impl Yuv420 {
    /// A black buffer for frames of `size`, rounded up to even sides.
    pub fn new(size: Resolution) -> Self {
        let size = Resolution::new(size.width.next_multiple_of(2), size.height.next_multiple_of(2));
        let (luma, chroma) = (size.area() as usize, size.area() as usize / 4);
        Self { size, y: vec![16; luma], u: vec![128; chroma], v: vec![128; chroma] }
    }

    /// Converts `frame` to BT.709 limited range; the last row or column of odd sides is repeated.
    ///
    /// The frame must have the size that the buffer was made for.
    pub fn read_rgb(&mut self, frame: &Frame) {
        let (width, height) = (frame.size.width as usize, frame.size.height as usize);
        let stride = self.size.width as usize;
        debug_assert_eq!(Self::new(frame.size).size, self.size, "one size for all frames");
        let source_row = |y: usize| {
            let start = y.min(height - 1) * width * 3;
            &frame.rgb[start..start + width * 3]
        };
        let to = Forward::new(Matrix::Bt709);
        let chroma = self.u.chunks_exact_mut(stride / 2).zip(self.v.chunks_exact_mut(stride / 2));
        let luma = self.y.chunks_exact_mut(stride * 2);
        for (pair, (luma, (u, v))) in luma.zip(chroma).enumerate() {
            let (top, bottom) = luma.split_at_mut(stride);
            let rows = [source_row(pair * 2), source_row(pair * 2 + 1)];
            to.convert_two_rows(rows, LumaRows { top, bottom }, ChromaRow { u, v });
        }
    }
}

/// Two rows of luma to write.
struct LumaRows<'a> {
    top: &'a mut [u8],
    bottom: &'a mut [u8],
}

/// A row of both chroma planes to write.
struct ChromaRow<'a> {
    u: &'a mut [u8],
    v: &'a mut [u8],
}

/// RGB to limited-range YCbCr; the chroma weights apply to the sum of four pixels.
struct Forward {
    y: [i32; 3],
    u: [i32; 3],
    v: [i32; 3],
}

impl Forward {
    fn new(matrix: Matrix) -> Self {
        let (red, blue) = matrix.weights();
        let green = 1.0 - red - blue;
        let fixed =
            |weights: [f64; 3], levels: f64| weights.map(|w| (w * levels / 255.0 * ONE).round() as i32);
        let (du, dv) = (2.0 * (1.0 - blue), 2.0 * (1.0 - red));
        Self {
            y: fixed([red, green, blue], 219.0),
            u: fixed([-red / du, -green / du, (1.0 - blue) / du], 224.0),
            v: fixed([(1.0 - red) / dv, -green / dv, -blue / dv], 224.0),
        }
    }

    fn convert_two_rows(&self, [first, second]: [&[u8]; 2], luma: LumaRows<'_>, chroma: ChromaRow<'_>) {
        let (LumaRows { top, bottom }, ChromaRow { u, v }) = (luma, chroma);
        let whole = first.len() / 6;
        let blocks = first.chunks_exact(6).zip(second.chunks_exact(6));
        let luma = top.chunks_exact_mut(2).zip(bottom.chunks_exact_mut(2));
        let chroma = u.iter_mut().zip(v.iter_mut());
        for (((a, b), (top, bottom)), (u, v)) in blocks.zip(luma).zip(chroma) {
            top[0] = self.luma(a[0], a[1], a[2]);
            top[1] = self.luma(a[3], a[4], a[5]);
            bottom[0] = self.luma(b[0], b[1], b[2]);
            bottom[1] = self.luma(b[3], b[4], b[5]);
            let sum =
                |c: usize| i32::from(a[c]) + i32::from(a[c + 3]) + i32::from(b[c]) + i32::from(b[c + 3]);
            let (red, green, blue) = (sum(0), sum(1), sum(2));
            *u = chroma_level(self.u, red, green, blue);
            *v = chroma_level(self.v, red, green, blue);
        }
        if let (&[ar, ag, ab], &[br, bg, bb]) = (&first[whole * 6..], &second[whole * 6..]) {
            // the last column of an odd width counts twice
            let (x, c) = (whole * 2, whole);
            top[x..].fill(self.luma(ar, ag, ab));
            bottom[x..].fill(self.luma(br, bg, bb));
            let sum = |a: u8, b: u8| 2 * (i32::from(a) + i32::from(b));
            u[c] = chroma_level(self.u, sum(ar, br), sum(ag, bg), sum(ab, bb));
            v[c] = chroma_level(self.v, sum(ar, br), sum(ag, bg), sum(ab, bb));
        }
    }

    #[inline]
    fn luma(&self, red: u8, green: u8, blue: u8) -> u8 {
        let [r, g, b] = self.y;
        let sum = r * i32::from(red) + g * i32::from(green) + b * i32::from(blue);
        (16 + ((sum + (1 << (BITS - 1))) >> BITS)) as u8
    }
}

#[inline]
fn chroma_level([r, g, b]: [i32; 3], red: i32, green: i32, blue: i32) -> u8 {
    // two more bits: the sums are of four pixels
    let sum = r * red + g * green + b * blue;
    (128 + ((sum + (1 << (BITS + 1))) >> (BITS + 2))) as u8
}

impl Matrix {
    /// Weights of red and blue in luma.
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
        }
    }
}

impl ColorSpace {
    /// The colour space of written videos.
    pub const OURS: Self = Self { matrix: Matrix::Bt709, range: ColorRange::Limited };

    /// The colour space that players assume for an untagged video of `size`.
    pub fn assumed(size: Resolution) -> Self {
        let matrix = if size.height < 720 { Matrix::Bt601 } else { Matrix::Bt709 };
        Self { matrix, range: ColorRange::Limited }
    }

    /// Converts a decoded frame to RGB; the planes must cover `size`.
    pub(super) fn rgb_from_planes(self, planes: Planes<'_>, size: Resolution) -> Frame {
        let (width, height) = (size.width as usize, size.height as usize);
        let mut rgb = vec![0; width * height * 3];
        let from = Backward::new(self);
        for (row, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
            let luma = &planes.y[row * planes.stride_y..][..width];
            let half = width.div_ceil(2);
            let u = &planes.u[row / 2 * planes.stride_uv..][..half];
            let v = &planes.v[row / 2 * planes.stride_uv..][..half];
            for ((out, luma), (&u, &v)) in out.chunks_mut(6).zip(luma.chunks(2)).zip(u.iter().zip(v)) {
                let chroma = from.chroma(u, v);
                for (pixel, &y) in out.chunks_exact_mut(3).zip(luma) {
                    pixel.copy_from_slice(&from.pixel(y, chroma));
                }
            }
        }
        Frame { size, rgb }
    }
}

/// YCbCr to RGB.
struct Backward {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Backward {
    fn new(space: ColorSpace) -> Self {
        let (red, blue) = space.matrix.weights();
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = match space.range {
            ColorRange::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0, 1.0, 1.0),
        };
        let fixed = |value: f64| (value * ONE).round() as i32;
        let (du, dv) = (2.0 * (1.0 - blue) * chroma, 2.0 * (1.0 - red) * chroma);
        Self {
            black,
            luma: fixed(luma),
            red_v: fixed(dv),
            green_u: fixed(-du * blue / green),
            green_v: fixed(-dv * red / green),
            blue_u: fixed(du),
        }
    }

    #[inline]
    fn chroma(&self, u: u8, v: u8) -> [i32; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [self.red_v * v, self.green_u * u + self.green_v * v, self.blue_u * u]
    }

    #[inline]
    fn pixel(&self, y: u8, chroma: [i32; 3]) -> [u8; 3] {
        let luma = self.luma * (i32::from(y) - self.black) + (1 << (BITS - 1));
        chroma.map(|chroma| ((luma + chroma) >> BITS).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(size: Resolution, color: [u8; 3]) -> Frame {
        Frame { size, rgb: color.repeat(size.area() as usize) }
    }

    fn planes(yuv: &Yuv420) -> Planes<'_> {
        let stride_y = yuv.size.width as usize;
        Planes { y: &yuv.y, u: &yuv.u, v: &yuv.v, stride_y, stride_uv: stride_y / 2 }
    }

    #[test]
    fn primaries_have_the_levels_of_the_standard() {
        // 8-bit levels of 100 % colour bars, BT.709 limited range
        let table = [
            ([255, 255, 255], (235, 128, 128)),
            ([255, 255, 0], (219, 16, 138)),
            ([0, 255, 255], (188, 154, 16)),
            ([0, 255, 0], (173, 42, 26)),
            ([255, 0, 255], (78, 214, 230)),
            ([255, 0, 0], (63, 102, 240)),
            ([0, 0, 255], (32, 240, 118)),
            ([0, 0, 0], (16, 128, 128)),
        ];
        let size = Resolution::new(4, 2);
        for (color, levels) in table {
            let mut yuv = Yuv420::new(size);
            yuv.read_rgb(&flat(size, color));
            assert_eq!((yuv.y[0], yuv.u[0], yuv.v[0]), levels, "{color:?}");
            assert!(yuv.y.iter().all(|&y| y == levels.0));
        }
    }

    #[test]
    fn every_colour_comes_back_within_two_levels() {
        let size = Resolution::new(2, 2);
        let mut yuv = Yuv420::new(size);
        for step in 0..4096_u32 {
            let color = [step >> 8, step >> 4 & 15, step & 15].map(|level| (level * 17) as u8);
            yuv.read_rgb(&flat(size, color));
            let back = ColorSpace::OURS.rgb_from_planes(planes(&yuv), size);
            for (got, expected) in back.rgb.iter().zip(color.iter().cycle()) {
                assert!(got.abs_diff(*expected) <= 2, "{color:?} came back as {:?}", &back.rgb[..3]);
            }
        }
    }

    #[test]
    fn odd_sides_repeat_the_last_pixels() {
        let size = Resolution::new(3, 3);
        let mut frame = flat(size, [0; 3]);
        frame.rgb[2 * 3..3 * 3].fill(255);
        frame.rgb[8 * 3..].fill(255);
        let mut yuv = Yuv420::new(size);
        yuv.read_rgb(&frame);
        assert_eq!(yuv.size, Resolution::new(4, 4));
        assert_eq!(yuv.y, [16, 16, 235, 235, 16, 16, 16, 16, 16, 16, 235, 235, 16, 16, 235, 235]);
        assert_eq!(ColorSpace::OURS.rgb_from_planes(planes(&yuv), size), frame);
    }

    #[test]
    fn other_colour_spaces_are_converted() {
        let grey = |space: ColorSpace, y, u, v| {
            let planes = Planes { y: &[y], u: &[u], v: &[v], stride_y: 1, stride_uv: 1 };
            space.rgb_from_planes(planes, Resolution::new(1, 1)).rgb
        };
        let full = ColorSpace { matrix: Matrix::Bt601, range: ColorRange::Full };
        assert_eq!(grey(full, 200, 128, 128), [200; 3]);
        assert_eq!(grey(full, 76, 85, 255), [254, 0, 0]);
        let limited = ColorSpace { matrix: Matrix::Bt601, range: ColorRange::Limited };
        assert_eq!(grey(limited, 81, 90, 240), [254, 0, 0]);
    }
}
