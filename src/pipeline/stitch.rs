//! Overlapping tiles blended into whole images.

use ndarray::{ArrayD, ArrayViewD};

use crate::core::{Error, Kind, Result};
use crate::wan::tiles::Tiling;

/// Images that are put together tile by tile.
pub(super) struct Canvas<'t> {
    tiling: &'t Tiling,
    /// `[1, C, T, H, W]`, made with the first tile, which has its channels and frames.
    sums: Option<ArrayD<f32>>,
}

impl<'t> Canvas<'t> {
    /// An empty canvas for `tiling`.
    pub(super) fn new(tiling: &'t Tiling) -> Self {
        Self { tiling, sums: None }
    }

    /// Adds the tile at `place`, `[1, C, T, h, w]`, weighted by how much each point counts there.
    pub(super) fn add(&mut self, [row, column]: [usize; 2], tile: &ArrayViewD<'_, f32>) -> Result<()> {
        let Self { tiling, sums } = self;
        // points on each side of a cell
        let scale = tile.shape().get(3).map_or(0, |height| height / tiling.tile()[0]);
        let [height, width] = tiling.tile().map(|cells| cells * scale);
        let [full_height, full_width] = tiling.size().map(|cells| cells * scale);
        let &[1, channels, count, h, w] = tile.shape() else { return Err(odd(tile)) };
        let sums =
            sums.get_or_insert_with(|| ArrayD::zeros(vec![1, channels, count, full_height, full_width]));
        if [h, w] != [height, width] || sums.shape()[1..3] != [channels, count] {
            return Err(odd(tile));
        }
        let (Some(sums), Some(values)) = (sums.as_slice_mut(), tile.as_slice()) else {
            return Err(odd(tile));
        };
        let (top, left) = (tiling.rows.range(row).start * scale, tiling.columns.range(column).start * scale);
        let down = tiling.rows.weights(row, scale);
        let across = tiling.columns.weights(column, scale);
        let planes = sums.chunks_exact_mut(full_height * full_width).zip(values.chunks_exact(height * width));
        for (sums, values) in planes {
            for ((y, values), weight) in values.chunks_exact(width).enumerate().zip(&down) {
                let sums = &mut sums[(top + y) * full_width + left..][..width];
                for ((sum, value), weight_across) in sums.iter_mut().zip(values).zip(&across) {
                    *sum += value * (weight * weight_across);
                }
            }
        }
        Ok(())
    }

    /// The images `[1, C, T, H, W]`.
    pub(super) fn finish(self) -> Result<ArrayD<f32>> {
        self.sums.ok_or_else(|| Error::new(Kind::Bug, "No tile was put on a canvas"))
    }
}

fn odd(tile: &ArrayViewD<'_, f32>) -> Error {
    Error::new(Kind::Bug, format!("A tile of an image has the unexpected shape {:?}", tile.shape()))
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, Slice};

    use super::*;

    #[test]
    fn tiles_of_one_image_give_it_back() {
        let tiling = Tiling::new([5, 9], Some(4));
        let image = ArrayD::from_shape_fn(vec![1, 3, 2, 10, 18], |at| {
            (at[1] * 7 + at[2] * 5 + at[3] * 3 + at[4]) as f32
        });
        let mut canvas = Canvas::new(&tiling);
        for place in tiling.places() {
            let [rows, columns] = tiling.ranges(place);
            let tile = image
                .slice_axis(Axis(3), Slice::from(rows.start * 2..rows.end * 2))
                .slice_axis_move(Axis(4), Slice::from(columns.start * 2..columns.end * 2))
                .as_standard_layout()
                .into_owned();
            canvas.add(place, &tile.view()).unwrap();
        }
        let whole = canvas.finish().unwrap();
        assert!(tiling.count() > 4);
        assert!(whole.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn a_tile_of_another_size_is_refused() {
        let tiling = Tiling::new([5, 9], Some(4));
        let mut canvas = Canvas::new(&tiling);
        assert_eq!(
            canvas.add([0, 0], &ArrayD::zeros(vec![1, 3, 1, 2, 2]).view()).unwrap_err().kind,
            Kind::Bug
        );
    }
}
