//! Drawn clips to fit the preview to: discs that move over gradients, in all colours.

use super::encode_whole::FixedClip;
use crate::core::{Frame, Resolution, Seed};
use crate::wan::noise;

/// Frames of a drawn clip: two latent frames.
const CLIP_FRAMES: usize = 5;
/// Cells on each side of a drawing.
const CELLS: usize = 8;
/// The size of a drawn clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClipShape {
    /// Height and width in cells.
    pub(super) cells: [usize; 2],
    frames: usize,
}

impl Default for ClipShape {
    fn default() -> Self {
        Self { cells: [CELLS; 2], frames: CLIP_FRAMES }
    }
}

impl ClipShape {
    /// What an encoder takes that may be made for one size alone.
    pub(super) fn within(fixed: FixedClip, stride: usize) -> Self {
        let cells = fixed.size.map(|pixels| pixels.map_or(CELLS, |pixels| pixels / stride));
        let frames = if fixed.frames.is_some_and(|most| most < CLIP_FRAMES) { 1 } else { CLIP_FRAMES };
        Self { cells, frames }
    }

    /// Drawings beside and below each other in one clip.
    pub(super) fn drawings(self) -> usize {
        self.cells.map(|cells| cells.div_ceil(CELLS)).into_iter().product()
    }
}

/// A clip with a drawing of its own in every square of [`CELLS`] cells.
pub(super) fn mosaic(index: usize, shape: ClipShape, stride: usize) -> Vec<Frame> {
    let side = CELLS * stride;
    let [height, width] = shape.cells.map(|cells| cells * stride);
    let columns = width.div_ceil(side);
    let size = Resolution::new(width as u32, height as u32);
    let mut clip = vec![Frame { size, rgb: vec![0; width * height * 3] }; shape.frames];
    for square in 0..shape.drawings() {
        let (top, left) = (square / columns * side, square % columns * side);
        let drawn = draw((index * shape.drawings() + square) as u64, side, shape.frames);
        let (rows, bytes) = (side.min(height - top), side.min(width - left) * 3);
        for (frame, drawn) in clip.iter_mut().zip(&drawn) {
            for row in 0..rows {
                let to = ((top + row) * width + left) * 3;
                let from = row * side * 3;
                frame.rgb[to..to + bytes].copy_from_slice(&drawn.rgb[from..from + bytes]);
            }
        }
    }
    clip
}

/// A clip of discs that move over a gradient, all in random colours.
fn draw(index: u64, side: usize, frames: usize) -> Vec<Frame> {
    const DISCS: usize = 4;
    let numbers = noise::standard_normal(Seed(index + 1), 12 + 8 * DISCS);
    let colour = |at: usize| [0, 1, 2].map(|i| (0.5 + 0.35 * numbers[at + i]).clamp(0.0, 1.0));
    let corners = [colour(0), colour(3), colour(6)];
    let scale = side as f32;
    let frame = |t: usize| {
        let pixel = |i: usize| {
            let (y, x) = ((i / side) as f32 / scale, (i % side) as f32 / scale);
            let mut rgb = [0, 1, 2].map(|c| {
                corners[0][c] + (corners[1][c] - corners[0][c]) * x + (corners[2][c] - corners[0][c]) * y
            });
            for disc in 0..DISCS {
                let at = 12 + 8 * disc;
                let moved = |i: usize| 0.5 + 0.25 * numbers[at + i] + 0.03 * numbers[at + 2 + i] * t as f32;
                let (dy, dx) = (y - moved(0), x - moved(1));
                if (dy * dy + dx * dx).sqrt() < 0.1 + 0.06 * numbers[at + 4].abs() {
                    rgb = colour(at + 5);
                }
            }
            rgb.map(|value| (value.clamp(0.0, 1.0) * 255.0) as u8)
        };
        let rgb = (0..side * side).flat_map(pixel).collect();
        Frame { size: Resolution::new(side as u32, side as u32), rgb }
    };
    (0..frames).map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_clips_move_and_differ() {
        let (first, second) = (draw(0, 32, 5), draw(1, 32, 5));
        assert_eq!((first.len(), first[0].rgb.len()), (5, 32 * 32 * 3));
        assert!(first[0] != first[4] && first[0] != second[0]);
        assert_eq!(draw(0, 32, 5), first);
        // what is drawn for the program's own encoders
        assert_eq!(mosaic(1, ClipShape::default(), 4), second);
    }

    #[test]
    fn drawings_lie_beside_each_other_and_are_cut_off() {
        let fixed = FixedClip { frames: Some(1), size: [Some(16), Some(24)] };
        let shape = ClipShape::within(fixed, 2);
        assert_eq!(shape, ClipShape { cells: [8, 12], frames: 1 });
        let clip = mosaic(0, shape, 2);
        assert_eq!((clip.len(), clip[0].rgb.len()), (1, 16 * 24 * 3));
        let row = |frame: &Frame, from: usize, to: usize| frame.rgb[from * 3..to * 3].to_vec();
        assert_eq!(row(&clip[0], 0, 16), row(&draw(0, 16, 1)[0], 0, 16));
        assert_eq!(row(&clip[0], 16, 24), row(&draw(1, 16, 1)[0], 0, 8));
    }
}
