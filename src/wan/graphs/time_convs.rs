//! Convolutions over time as 2-D convolutions of frames, with fewer products than the definition.
//!
//! Of each frame of `[1, C, H, W]` values, a 3x3x3 convolution takes three 2-D ones. Neighbouring frames share them: by
//! Winograd's minimal filtering along time, four 2-D convolutions make two frames, and six make four (Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2015, F(2,3) and F(4,3)). The convolutions take sums of frames, their
//! weights are sums of the taps, which ONNX Runtime computes once when it makes the session, and the frames are sums of
//! their results. The relative error of one convolution is 2e-7 and 5e-7 where the definition has 2e-7 and torch 3e-7.

use super::layers::{concat, slice, squeeze};
use super::vae_bands::BandLimits;
use crate::core::Result;
use crate::onnx::{Attr, GraphBuilder, Var};

/// The weights of a convolution over three frames, within a body of bands.
pub(super) struct TimeConv {
    /// The weight of each frame, the oldest first: `[outputs, inputs, rows, columns]`.
    taps: [Var; 3],
    bias: Var,
    /// Whether fewer products pay for the sums of frames.
    is_wide: bool,
    /// Zero columns on each side.
    padding: i64,
}

impl TimeConv {
    /// The convolution called `name` with `sides` taps along rows and columns.
    pub(super) fn new(
        g: &mut GraphBuilder<'_>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        sides: usize,
        limits: BandLimits,
    ) -> Result<Self> {
        let weight = g.weight_view(&format!("{name}.weight"), &[outputs, inputs, 3, sides, sides])?;
        let bias = g.weight_view(&format!("{name}.bias"), &[outputs])?;
        let taps = [0, 1, 2].map(|tap| {
            let tap = slice(g, &weight, tap, tap + 1, 2);
            squeeze(g, &tap, 2)
        });
        let is_wide = inputs.min(outputs) >= limits.channels;
        Ok(Self { taps, bias, is_wide, padding: sides as i64 / 2 })
    }

    /// The frame after two frames of zeros and `frame`.
    pub(super) fn first(&self, g: &mut GraphBuilder<'_>, frame: &Var) -> Var {
        self.conv(g, frame, &self.taps[2], true)
    }

    /// One frame for each of `frames` but the first two.
    pub(super) fn apply(&self, g: &mut GraphBuilder<'_>, frames: &[Var]) -> Vec<Var> {
        match frames {
            [a, b, c, d] if self.is_wide => self.two(g, [a, b, c, d]),
            [a, b, c, d, e, f] if self.is_wide => self.four(g, [a, b, c, d, e, f]),
            _ => self.stacked(g, frames),
        }
    }

    /// Three frames side by side as channels.
    fn stacked(&self, g: &mut GraphBuilder<'_>, frames: &[Var]) -> Vec<Var> {
        let weight = concat(g, &self.taps.each_ref(), 1);
        let one = |frames: &[Var]| {
            let three = concat(g, &frames.iter().collect::<Vec<_>>(), 1);
            self.conv(g, &three, &weight, true)
        };
        frames.windows(3).map(one).collect()
    }

    /// F(2,3).
    fn two(&self, g: &mut GraphBuilder<'_>, [a, b, c, d]: [&Var; 4]) -> Vec<Var> {
        let [first, second, third] = &self.taps;
        let half = g.scalar(0.5);
        let outer = add(g, first, third);
        let (sum, difference) = (add(g, &outer, second), sub(g, &outer, second));
        let weights = [first.clone(), mul(g, &sum, &half), mul(g, &difference, &half), third.clone()];
        let inputs = [sub(g, a, c), add(g, b, c), sub(g, c, b), sub(g, b, d)];
        let [p, q, r, s] = self.convs(g, &inputs, &weights);
        let (sum, difference) = (add(g, &q, &r), sub(g, &q, &r));
        vec![add(g, &p, &sum), sub(g, &difference, &s)]
    }

    /// F(4,3).
    fn four(&self, g: &mut GraphBuilder<'_>, [a, b, c, d, e, f]: [&Var; 6]) -> Vec<Var> {
        let weights = self.four_weights(g);
        let (two, four, eight) = (g.scalar(2.0), g.scalar(4.0), g.scalar(8.0));
        let (even, odd) = (sub(g, e, c), sub(g, d, b));
        let near = sub(g, a, c);
        let near = mul(g, &near, &four);
        let first = add(g, &near, &even);
        let c4 = mul(g, c, &four);
        let b4 = mul(g, b, &four);
        let (left, right) = (sub(g, e, &c4), sub(g, d, &b4));
        let odd2 = mul(g, &odd, &two);
        let far = sub(g, f, d);
        let odd4 = mul(g, &odd, &four);
        let inputs = [
            first,
            add(g, &left, &right),
            sub(g, &left, &right),
            add(g, &even, &odd2),
            sub(g, &even, &odd2),
            sub(g, &far, &odd4),
        ];
        let [p, q, r, s, t, u] = self.convs(g, &inputs, &weights);
        let (sum, difference) = (add(g, &q, &r), sub(g, &q, &r));
        let (sum2, difference2) = (add(g, &s, &t), sub(g, &s, &t));
        let frame_0 = add(g, &p, &sum);
        let frame_0 = add(g, &frame_0, &sum2);
        let frame_1 = mul(g, &difference2, &two);
        let frame_1 = add(g, &difference, &frame_1);
        let frame_2 = mul(g, &sum2, &four);
        let frame_2 = add(g, &sum, &frame_2);
        let frame_3 = mul(g, &difference2, &eight);
        let frame_3 = add(g, &difference, &frame_3);
        let frame_3 = add(g, &frame_3, &u);
        vec![frame_0, frame_1, frame_2, frame_3]
    }

    fn four_weights(&self, g: &mut GraphBuilder<'_>) -> [Var; 6] {
        let [first, second, third] = &self.taps;
        let [quarter, sixth, twelfth, part] = [4.0, -6.0, 12.0, 24.0].map(|part: f32| g.scalar(1.0 / part));
        let outer = add(g, first, third);
        let (sum, difference) = (add(g, &outer, second), sub(g, &outer, second));
        let four = g.scalar(4.0);
        let even = mul(g, third, &four);
        let even = add(g, first, &even);
        let even = mul(g, &even, &part);
        let odd = mul(g, second, &twelfth);
        [
            mul(g, first, &quarter),
            mul(g, &sum, &sixth),
            mul(g, &difference, &sixth),
            add(g, &even, &odd),
            sub(g, &even, &odd),
            third.clone(),
        ]
    }

    /// Each of `inputs` with the weight of the same number; the bias belongs to the second, which every frame has once.
    fn convs<const N: usize>(
        &self,
        g: &mut GraphBuilder<'_>,
        inputs: &[Var; N],
        weights: &[Var; N],
    ) -> [Var; N] {
        std::array::from_fn(|at| self.conv(g, &inputs[at], &weights[at], at == 1))
    }

    fn conv(&self, g: &mut GraphBuilder<'_>, x: &Var, weight: &Var, has_bias: bool) -> Var {
        let pads = [("pads", Attr::Ints(vec![0, self.padding, 0, self.padding]))];
        if has_bias {
            g.op("Conv", &[x, weight, &self.bias], &pads)
        } else {
            g.op("Conv", &[x, weight], &pads)
        }
    }
}

fn add(g: &mut GraphBuilder<'_>, a: &Var, b: &Var) -> Var {
    g.op("Add", &[a, b], &[])
}

fn sub(g: &mut GraphBuilder<'_>, a: &Var, b: &Var) -> Var {
    g.op("Sub", &[a, b], &[])
}

fn mul(g: &mut GraphBuilder<'_>, a: &Var, b: &Var) -> Var {
    g.op("Mul", &[a, b], &[])
}
