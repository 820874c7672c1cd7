//! Splits an image into overlapping tiles, with blending weights for the overlaps.
//!
//! The VAE runs on one tile after the other, so that neither its memory nor the time of one operation grows with the
//! image.

use std::ops::Range;

/// A tile overlaps the next one by at least its size divided by this: 64 of 256 pixels, as in diffusers'
/// `tiled_decode`.
const OVERLAP: usize = 4;

/// One axis of an image, split into overlapping spans of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    starts: Vec<usize>,
    length: usize,
    size: usize,
}

impl Spans {
    /// Splits `size` cells into the smallest number of spans that are at most `max` cells long.
    pub fn new(size: usize, max: usize) -> Self {
        let max = max.max(2);
        if size <= max {
            return Self { starts: vec![0], length: size, size };
        }
        let overlap = (max / OVERLAP).max(1);
        let count = (size - overlap).div_ceil(max - overlap);
        // the same number of spans may cover the axis with a shorter length
        let length = (size + (count - 1) * overlap).div_ceil(count);
        let starts = (0..count).map(|index| index * (size - length) / (count - 1)).collect();
        Self { starts, length, size }
    }

    /// Number of spans.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Number of cells in each span.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Cells of the span `index`.
    pub fn range(&self, index: usize) -> Range<usize> {
        let start = self.starts.get(index).copied().unwrap_or_default();
        start..start + self.length
    }

    /// Blending weight of each point of the span `index`, with `scale` points per cell. The weights of all spans at a point
    /// add up to 1; they are linear in an overlap, as in diffusers' `blend_h` and `blend_v`.
    pub fn weights(&self, index: usize, scale: usize) -> Vec<f32> {
        let Range { start, end } = self.range(index);
        let before = if index > 0 { self.range(index - 1).end - start } else { 0 } * scale;
        let after = self.starts.get(index + 1).map_or(0, |next| end - next) * scale;
        let points = self.length * scale;
        // the centre of point `at`, counted from the start of an overlap of `shared` points
        let ramp = |at: usize, shared: usize| {
            if at < shared { (at as f32 + 0.5) / shared as f32 } else { 1.0 }
        };
        (0..points).map(|at| ramp(at, before) * ramp(points - 1 - at, after)).collect()
    }
}

/// An image split into tiles, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// From top to bottom.
    pub rows: Spans,
    /// From left to right.
    pub columns: Spans,
}

impl Tiling {
    /// Splits an image of `height` x `width` cells into tiles of at most `max` cells per side; one tile if `None`.
    pub fn new([height, width]: [usize; 2], max: Option<usize>) -> Self {
        let spans = |size: usize| Spans::new(size, max.unwrap_or(size));
        Self { rows: spans(height), columns: spans(width) }
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.rows.count() * self.columns.count()
    }

    /// Height and width of every tile, in cells.
    pub fn tile(&self) -> [usize; 2] {
        [self.rows.length, self.columns.length]
    }

    /// Height and width of the image, in cells.
    pub fn size(&self) -> [usize; 2] {
        [self.rows.size, self.columns.size]
    }

    /// Rows and columns of cells in the tile at `[row, column]`.
    pub fn ranges(&self, [row, column]: [usize; 2]) -> [Range<usize>; 2] {
        [self.rows.range(row), self.columns.range(column)]
    }

    /// `[row, column]` of each tile.
    pub fn places(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        (0..self.rows.count()).flat_map(|row| (0..self.columns.count()).map(move |column| [row, column]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_axis_and_their_weights_sum_to_one() {
        for (size, max) in (1..70).flat_map(|size| (2..40).map(move |max| (size, max))) {
            let spans = Spans::new(size, max);
            assert!(spans.length() <= max.max(size.min(max)), "{size} {max}");
            assert_eq!(spans.range(0).start, 0);
            assert_eq!(spans.range(spans.count() - 1).end, size);
            for scale in [1, 8] {
                let mut sums = vec![0.0; size * scale];
                for index in 0..spans.count() {
                    let start = spans.range(index).start * scale;
                    for (at, weight) in spans.weights(index, scale).into_iter().enumerate() {
                        assert!(weight > 0.0);
                        sums[start + at] += weight;
                    }
                }
                assert!(sums.iter().all(|sum| (sum - 1.0_f32).abs() < 1e-5), "{size} {max} {sums:?}");
            }
        }
    }

    #[test]
    fn spans_are_as_few_and_as_short_as_can_be() {
        // 480 x 832 at 16 pixels a cell, tiles of 256
        let spans = Spans::new(30, 16);
        assert_eq!((spans.count(), spans.length()), (3, 13));
        assert_eq!([0, 1, 2].map(|index| spans.range(index)), [0..13, 8..21, 17..30]);
        let spans = Spans::new(52, 16);
        assert_eq!((spans.count(), spans.length()), (4, 16));
        assert_eq!(spans.range(1), 12..28);
        assert_eq!(Spans::new(16, 16), Spans { starts: vec![0], length: 16, size: 16 });
    }

    #[test]
    fn without_a_tile_size_there_is_one_tile() {
        let tiling = Tiling::new([30, 52], None);
        assert_eq!((tiling.count(), tiling.tile()), (1, [30, 52]));
        assert_eq!(Tiling::new([30, 52], Some(16)).count(), 12);
        assert_eq!(Tiling::new([2, 3], Some(2)).places().collect::<Vec<_>>(), [[0, 0], [0, 1]]);
    }
}
