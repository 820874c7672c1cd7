//! Rotary embedding tables of the transformer, which encode a token's position in time, height and width.
//!
//! Angles are computed in f64 and rounded once, as in diffusers; the graph takes the tables as inputs.

/// Base of the frequencies (`theta` of `WanRotaryPosEmbed`).
const THETA: f64 = 10_000.0;

/// Cosines and sines, each `[frames * height * width, head_dim / 2]`, for a latent of this many patches.
///
/// The dimensions of a head are split into time, height and width in this order: height and width have
/// `2 * (head_dim / 6)` dimensions each, time the rest. Tokens are ordered with width fastest.
pub fn tables(frames: usize, height: usize, width: usize, head_dim: usize) -> (Vec<f32>, Vec<f32>) {
    let side_dim = 2 * (head_dim / 6);
    let time = Axis::new(frames, head_dim - 2 * side_dim);
    let (down, across) = (Axis::new(height, side_dim), Axis::new(width, side_dim));
    let len = frames * height * width * (head_dim / 2);
    let (mut cos, mut sin) = (Vec::with_capacity(len), Vec::with_capacity(len));
    for t in 0..frames {
        for y in 0..height {
            for x in 0..width {
                for (axis, position) in [(&time, t), (&down, y), (&across, x)] {
                    cos.extend_from_slice(axis.row(&axis.cos, position));
                    sin.extend_from_slice(axis.row(&axis.sin, position));
                }
            }
        }
    }
    (cos, sin)
}

/// Tables of one axis, `[positions, pairs]`.
struct Axis {
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Axis {
    fn new(positions: usize, dim: usize) -> Self {
        let pairs = dim / 2;
        let angles = (0..positions).flat_map(|position| {
            (0..pairs).map(move |pair| position as f64 / THETA.powf((2 * pair) as f64 / dim as f64))
        });
        let (cos, sin) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        Self { pairs, cos, sin }
    }

    fn row<'table>(&self, table: &'table [f32], position: usize) -> &'table [f32] {
        &table[position * self.pairs..(position + 1) * self.pairs]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_head_of_128_into_44_42_42() {
        let (cos, sin) = tables(2, 3, 4, 128);
        assert_eq!((cos.len(), sin.len()), (24 * 64, 24 * 64));
        // token (1, 2, 3) is the last: its pairs are 22 of time, 21 of height, 21 of width
        let (cos, sin) = (&cos[23 * 64..], &sin[23 * 64..]);
        for (pair, position) in [(0, 1.0_f64), (22, 2.0), (43, 3.0)] {
            assert_eq!((cos[pair], sin[pair]), (position.cos() as f32, position.sin() as f32));
        }
        let slowest = 3.0 / 10_000_f64.powf(40.0 / 42.0);
        assert_eq!((cos[63], sin[63]), (slowest.cos() as f32, slowest.sin() as f32));
    }
}
