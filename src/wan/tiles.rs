//! How a picture is cut into overlapping tiles, and how much each tile counts where they overlap.
//!
//! A network that looks far is run on one tile after the other, so that neither its memory nor the time of one
//! operation grows with the picture. It knows no tensors and no networks.

use std::ops::Range;

/// Share of a tile's edge that it has in common with the next one at least: 64 of 256 pixels, as in diffusers'
/// `tiled_decode`.
const OVERLAP: usize = 4;

/// One axis of a picture, cut into spans of one length that overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    starts: Vec<usize>,
    length: usize,
    size: usize,
}

impl Spans {
    /// `size` cells in as few spans as can be, none longer than `edge`, and all of the same length.
    pub fn new(size: usize, edge: usize) -> Self {
        let edge = edge.max(2);
        if size <= edge {
            return Self { starts: vec![0], length: size, size };
        }
        let overlap = (edge / OVERLAP).max(1);
        let count = (size - overlap).div_ceil(edge - overlap);
        // with so many spans shorter ones do as well
        let length = (size + (count - 1) * overlap).div_ceil(count);
        let starts = (0..count).map(|index| index * (size - length) / (count - 1)).collect();
        Self { starts, length, size }
    }

    /// Number of spans.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Cells of each span.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Cells of span `index`.
    pub fn range(&self, index: usize) -> Range<usize> {
        let start = self.starts.get(index).copied().unwrap_or_default();
        start..start + self.length
    }

    /// How much each point of span `index` counts, with `scale` points to a cell. Over all spans that hold a point it
    /// sums up to 1: linear where two overlap, as in diffusers' `blend_h` and `blend_v`.
    pub fn weights(&self, index: usize, scale: usize) -> Vec<f32> {
        let Range { start, end } = self.range(index);
        let before = if index > 0 { self.range(index - 1).end - start } else { 0 } * scale;
        let after = self.starts.get(index + 1).map_or(0, |next| end - next) * scale;
        let points = self.length * scale;
        // the middle of point `at`, counted from an edge of a part `shared` with another span
        let ramp = |at: usize, shared: usize| {
            if at < shared { (at as f32 + 0.5) / shared as f32 } else { 1.0 }
        };
        (0..points).map(|at| ramp(at, before) * ramp(points - 1 - at, after)).collect()
    }
}

/// A picture cut into tiles, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// From top to bottom.
    pub rows: Spans,
    /// From left to right.
    pub columns: Spans,
}

impl Tiling {
    /// A picture of `height` x `width` cells in tiles of at most `edge` cells; without `edge` in one.
    pub fn new([height, width]: [usize; 2], edge: Option<usize>) -> Self {
        let spans = |size: usize| Spans::new(size, edge.unwrap_or(size));
        Self { rows: spans(height), columns: spans(width) }
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.rows.count() * self.columns.count()
    }

    /// Height and width of every tile.
    pub fn tile(&self) -> [usize; 2] {
        [self.rows.length, self.columns.length]
    }

    /// Height and width of the picture.
    pub fn size(&self) -> [usize; 2] {
        [self.rows.size, self.columns.size]
    }

    /// Cells of the tile at a row and a column.
    pub fn ranges(&self, [row, column]: [usize; 2]) -> [Range<usize>; 2] {
        [self.rows.range(row), self.columns.range(column)]
    }

    /// Row and column of each tile.
    pub fn places(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        (0..self.rows.count()).flat_map(|row| (0..self.columns.count()).map(move |column| [row, column]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_axis_and_their_weights_sum_to_one() {
        for (size, edge) in (1..70).flat_map(|size| (2..40).map(move |edge| (size, edge))) {
            let spans = Spans::new(size, edge);
            assert!(spans.length() <= edge, "{size} {edge}");
            assert_eq!((spans.range(0).start, spans.range(spans.count() - 1).end), (0, size));
            for scale in [1, 8] {
                let sums = sums_of_weights(&spans, size, scale);
                assert!(sums.iter().all(|sum| (sum - 1.0_f32).abs() < 1e-5), "{size} {edge} {sums:?}");
            }
        }
    }

    /// How much each point counts over all spans.
    fn sums_of_weights(spans: &Spans, size: usize, scale: usize) -> Vec<f32> {
        let mut sums = vec![0.0; size * scale];
        for index in 0..spans.count() {
            let start = spans.range(index).start * scale;
            for (at, weight) in spans.weights(index, scale).into_iter().enumerate() {
                assert!(weight > 0.0);
                sums[start + at] += weight;
            }
        }
        sums
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
    fn a_picture_without_an_edge_is_one_tile() {
        let tiling = Tiling::new([30, 52], None);
        assert_eq!((tiling.count(), tiling.tile()), (1, [30, 52]));
        assert_eq!(Tiling::new([30, 52], Some(16)).count(), 12);
        assert_eq!(Tiling::new([2, 3], Some(2)).places().collect::<Vec<_>>(), [[0, 0], [0, 1]]);
    }
}
