//! Convolutions over time as 2-D convolutions of frames, with fewer products than the definition.
//!
//! Of each frame of `[1, C, H, W]` values, a 3x3x3 convolution takes three 2-D ones. Neighbouring frames share them: by
//! Winograd's minimal filtering along time, four 2-D convolutions make two frames, and six make four (Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2015, F(2,3) and F(4,3)). The convolutions take sums of frames, their
//! weights are sums of the taps, which ONNX Runtime computes once when it makes the session, and the frames are sums of
//! their results. The relative error of one convolution is 2e-7 and 5e-7 where the definition has 2e-7 and torch 3e-7.

use super::layers::concat;
use super::vae_bands::BandLimits;
use crate::core::Result;
use crate::onnx::{Attr, GraphBuilder, Var};

/// Weights of F(2,3): each is this sum of the three taps.
const TWO: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// Weights of F(4,3).
const FOUR: [[f32; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// A convolution over three frames, within a body of bands.
///
/// ONNX Runtime keeps every intermediate result of what it computes from weights until the session is made, so each weight
/// is one operation on the stored one.
pub(super) struct TimeConv {
    /// Name of its weight, `[outputs, inputs, 3, sides, sides]`.
    weight: String,
    dims: [usize; 5],
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
        let bias = g.weight_view(&format!("{name}.bias"), &[outputs])?;
        let is_wide = inputs.min(outputs) >= limits.channels;
        let (weight, dims) = (format!("{name}.weight"), [outputs, inputs, 3, sides, sides]);
        Ok(Self { weight, dims, bias, is_wide, padding: sides as i64 / 2 })
    }

    /// The frame after two frames of zeros and `frame`.
    pub(super) fn first(&self, g: &mut GraphBuilder<'_>, frame: &Var) -> Result<Var> {
        let last = self.sum(g, [0.0, 0.0, 1.0])?;
        Ok(self.conv(g, frame, &last, true))
    }

    /// One frame for each of `frames` but the first two.
    pub(super) fn apply(&self, g: &mut GraphBuilder<'_>, frames: &[Var]) -> Result<Vec<Var>> {
        match frames {
            [a, b, c, d] if self.is_wide => self.two(g, [a, b, c, d]),
            [a, b, c, d, e, f] if self.is_wide => self.four(g, [a, b, c, d, e, f]),
            _ => self.stacked(g, frames),
        }
    }

    /// Three frames side by side as channels.
    fn stacked(&self, g: &mut GraphBuilder<'_>, frames: &[Var]) -> Result<Vec<Var>> {
        let taps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let taps = taps.into_iter().map(|tap| self.sum(g, tap)).collect::<Result<Vec<_>>>()?;
        let weight = concat(g, &taps.iter().collect::<Vec<_>>(), 1);
        let one = |frames: &[Var]| {
            let three = concat(g, &frames.iter().collect::<Vec<_>>(), 1);
            self.conv(g, &three, &weight, true)
        };
        Ok(frames.windows(3).map(one).collect())
    }

    /// F(2,3).
    fn two(&self, g: &mut GraphBuilder<'_>, [a, b, c, d]: [&Var; 4]) -> Result<Vec<Var>> {
        let inputs = [sub(g, a, c), add(g, b, c), sub(g, c, b), sub(g, b, d)];
        let [p, q, r, s] = self.convs(g, &inputs, &TWO)?;
        let (sum, difference) = (add(g, &q, &r), sub(g, &q, &r));
        Ok(vec![add(g, &p, &sum), sub(g, &difference, &s)])
    }

    /// F(4,3).
    fn four(&self, g: &mut GraphBuilder<'_>, [a, b, c, d, e, f]: [&Var; 6]) -> Result<Vec<Var>> {
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
        let [p, q, r, s, t, u] = self.convs(g, &inputs, &FOUR)?;
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
        Ok(vec![frame_0, frame_1, frame_2, frame_3])
    }

    /// Each of `inputs` with the weight of the same number; the bias belongs to the second, which every frame has once.
    fn convs<const N: usize>(
        &self,
        g: &mut GraphBuilder<'_>,
        inputs: &[Var; N],
        sums: &[[f32; 3]; N],
    ) -> Result<[Var; N]> {
        let mut results = inputs.clone();
        for (at, (result, &sum)) in results.iter_mut().zip(sums).enumerate() {
            let weight = self.sum(g, sum)?;
            *result = self.conv(g, &inputs[at], &weight, at == 1);
        }
        Ok(results)
    }

    /// A sum of the taps, the oldest frame's first: `[outputs, inputs, sides, sides]`.
    fn sum(&self, g: &mut GraphBuilder<'_>, factors: [f32; 3]) -> Result<Var> {
        if let Some(tap) = (0..3).find(|&tap| (0..3).all(|at| factors[at] == f32::from(u8::from(at == tap))))
        {
            return g.weight_part(&self.weight, &self.dims, 2, tap);
        }
        let weight = g.weight_view(&self.weight, &self.dims)?;
        let factors = g.floats(&factors, &[3]);
        Ok(g.op("Einsum", &[&weight, &factors], &[("equation", Attr::Str("oithw,t->oihw"))]))
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
