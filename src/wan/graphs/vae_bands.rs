//! Layers of the causal VAE for large images: each is computed in bands of rows, with the same numbers as in one piece.
//!
//! A band takes the rows that its convolution needs above and below, so nothing is computed twice but norms, and nothing is
//! blended. This bounds the memory of intermediate values and the time of one operation, which is how long a cancel waits.
//! Within a band, frames are `[T, C, rows, W]`; ONNX Runtime's fastest kernels are those of 2-D convolutions. The caches of
//! a layer are kept in bands, too: `[bands, 2, C, rows, W]`. The size of the image is fixed.

use super::layers::{concat, reshape, silu, slice, squeeze, transpose, unsqueeze};
use super::time_convs::TimeConv;
use super::vae_layers::{END, Stream, StreamCall};
use crate::core::Result;
use crate::onnx::{Attr, GraphBuilder, Var};

/// How large bands are, and which convolutions are computed with fewer products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandLimits {
    /// Maximum multiplications and additions of one operation.
    pub operation: u64,
    /// Maximum bytes of one frame of a band.
    pub frame_bytes: u64,
    /// Minimum rows of a band, whatever the other limits say.
    pub rows: usize,
    /// Minimum channels, of input and of output, for which fewer products pay for the sums of frames.
    pub channels: usize,
}

impl Default for BandLimits {
    /// A third of a second on two cores for one operation, and the values of a band in the processor's caches.
    fn default() -> Self {
        Self { operation: 60_000_000_000, frame_bytes: 12 << 20, rows: 4, channels: 32 }
    }
}

/// What a graph in bands is built for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands {
    /// Which call.
    pub(super) call: StreamCall,
    /// Frames at the current level.
    pub(super) frames: usize,
    /// Rows and columns at the current level.
    pub(super) size: [usize; 2],
    pub(super) limits: BandLimits,
}

impl BandLimits {
    /// Number of bands, and rows of each, of `[height, width]` values in the convolution from `inputs` to `outputs` channels.
    pub fn bands(self, size: [usize; 2], channels: [usize; 2]) -> [usize; 2] {
        let split = Split::new(size, channels, self);
        [split.count, split.rows]
    }
}

/// The division of rows into bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    count: usize,
    /// Rows of a band; those of the last one may be beyond the image.
    rows: usize,
    /// Rows of the image.
    total: usize,
}

impl Split {
    /// Bands for convolutions of `inputs` to `outputs` channels with 27 taps, and of fewer.
    fn new([height, width]: [usize; 2], [inputs, outputs]: [usize; 2], limits: BandLimits) -> Self {
        let work = 2 * 27 * (inputs * outputs * width) as u64;
        let bytes = (inputs.max(outputs) * width * size_of::<f32>()) as u64;
        let most = (limits.operation / work.max(1)).min(limits.frame_bytes / bytes.max(1)) as usize;
        let count = height.div_ceil(most.max(limits.rows)).max(1);
        let rows = height.div_ceil(count);
        Self { count: height.div_ceil(rows), rows, total: height }
    }
}

/// What is added to the result of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Shortcut<'a> {
    /// `[1, C, T, H, W]`.
    pub(super) x: &'a Var,
    /// The 1x1 convolution that it passes, with its input channels.
    pub(super) conv: Option<(&'a str, usize)>,
}

/// A causal convolution with what is before and after it.
#[derive(Clone, Copy)]
pub(super) struct BandConv<'a> {
    /// Name of the convolution.
    pub(super) name: &'a str,
    /// Input and output channels.
    pub(super) channels: [usize; 2],
    /// Name of the norm before it, which a `SiLU` follows.
    pub(super) norm: Option<&'a str>,
    /// What is added after it.
    pub(super) shortcut: Option<Shortcut<'a>>,
}

/// What follows the blocks of a decoder's level.
pub(super) struct Growth<'a> {
    /// Name of the upsampler.
    pub(super) name: &'a str,
    /// Channels before and after it.
    pub(super) channels: [usize; 2],
    /// Whether the number of frames is doubled.
    pub(super) doubles_time: bool,
    /// What is added after it.
    pub(super) shortcut: Option<Duplicate>,
}

impl Stream<'_> {
    /// Doubles the size of `x`, and the number of its frames if the level does.
    pub(super) fn grow_in_bands(&mut self, x: &Var, growth: &Growth<'_>) -> Result<Var> {
        let mut x = x.clone();
        if growth.doubles_time {
            x = self.double_time_in_bands(&x, growth.name, growth.channels[0])?;
        }
        self.double_size_in_bands(&x, growth)
    }

    /// A 3x3x3 causal convolution of `x` `[1, C, T, H, W]` in bands.
    pub(super) fn conv_in_bands(&mut self, bands: Bands, x: &Var, layer: BandConv<'_>) -> Result<Var> {
        let BandConv { name, channels: [inputs, outputs], norm, shortcut } = layer;
        let Bands { call, frames, size: [_, width], limits } = bands;
        let split = Split::new(bands.size, [inputs, outputs], limits);
        let gain = norm.map(|norm| self.gain(norm, inputs)).transpose()?;
        let dims = [split.count, 2, inputs, split.rows + 2, width];
        let cache = (call == StreamCall::Later).then(|| self.cache_in_bands(inputs, dims));
        // one frame after two others saves nothing, and takes its weight from the file in place
        let in_place = call == StreamCall::Later && frames == 1;
        let [y, kept] = self.g.in_bands(split.count, |g, iteration| {
            let mut x = band(g, x, iteration, split, 1);
            if let Some(gain) = &gain {
                x = norm_of_frames(g, &x, gain);
                x = silu(g, &x);
            }
            let (kept, y) = if let Some(cache) = &cache {
                let earlier = g.op("Gather", &[cache, iteration], &[]);
                let joined = concat(g, &[&earlier, &x], 0);
                let kept = slice(g, &joined, -2, END, 0);
                let y = if in_place {
                    let weight = g.weight_in_iteration(
                        &format!("{name}.weight"),
                        &[outputs, inputs, 3, 3, 3],
                        iteration,
                    )?;
                    let bias = g.weight_view(&format!("{name}.bias"), &[outputs])?;
                    one_frame(g, &joined, [&weight, &bias])
                } else {
                    let each = each_frame(g, &joined, frames + 2);
                    let conv = TimeConv::new(g, name, [inputs, outputs], 3, limits)?;
                    conv.apply(g, &each)?
                };
                (kept, y)
            } else {
                let conv = TimeConv::new(g, name, [inputs, outputs], 3, limits)?;
                (after_zeros(g, &x), vec![conv.first(g, &x)?])
            };
            // rows above and below were read only
            let y = concat(g, &y.iter().collect::<Vec<_>>(), 0);
            let y = match shortcut {
                Some(shortcut) => {
                    let shortcut = shortcut.band(g, iteration, split, outputs)?;
                    g.op("Add", &[&y, &shortcut], &[])
                }
                None => y,
            };
            Ok([(y, 4), (kept, 4)])
        })?;
        if cache.is_none() {
            self.cache_made(inputs, 2, dims);
        }
        self.keep(kept);
        Ok(self.whole(&y, outputs, split))
    }

    /// Doubles the number of frames: a convolution in time makes two frames of each. In the first call `x` is unchanged
    /// and the cache is zero, as with diffusers' "Rep" marker.
    fn double_time_in_bands(&mut self, x: &Var, name: &str, channels: usize) -> Result<Var> {
        let Some(Bands { call, frames, size, limits }) = self.bands else { return Ok(x.clone()) };
        let width = size[1];
        let split = Split::new(size, [channels, 2 * channels], limits);
        let dims = [split.count, 2, channels, split.rows, width];
        if call == StreamCall::First {
            let [kept] = self.g.in_bands(split.count, |g, iteration| {
                let x = band(g, x, iteration, split, 0);
                let zero = g.scalar(0.0);
                let zeros = g.op("Mul", &[&x, &zero], &[]);
                Ok([(after_zeros(g, &zeros), 4)])
            })?;
            self.cache_made(channels, 2, dims);
            self.keep(kept);
            return Ok(x.clone());
        }
        let cache = self.cache_in_bands(channels, dims);
        let (wide, rows) = (channels as i64, split.rows as i64);
        let [y, kept] = self.g.in_bands(split.count, |g, iteration| {
            let x = band(g, x, iteration, split, 0);
            let earlier = g.op("Gather", &[&cache, iteration], &[]);
            let joined = concat(g, &[&earlier, &x], 0);
            let each = each_frame(g, &joined, frames + 2);
            let conv = TimeConv::new(g, &format!("{name}.time_conv"), [channels, 2 * channels], 1, limits)?;
            let y = conv.apply(g, &each)?;
            let y = concat(g, &y.iter().collect::<Vec<_>>(), 0);
            // the two halves of the channels are two frames
            let y = reshape(g, &y, &[2 * frames as i64, wide, rows, width as i64]);
            Ok([(y, 4), (slice(g, &joined, -2, END, 0), 4)])
        })?;
        self.keep(kept);
        let y = self.whole(&y, channels, split);
        if let Some(bands) = &mut self.bands {
            bands.frames = 2 * frames;
        }
        Ok(y)
    }

    /// Doubles height and width: nearest neighbour, then a convolution of each frame, and adds `shortcut`.
    ///
    /// A 3x3 convolution of doubled pixels is four 2x2 convolutions of the pixels, one for each corner of a doubled pixel:
    /// taps that meet the same pixel are summed. That is 4/9 of the products.
    fn double_size_in_bands(&mut self, x: &Var, growth: &Growth<'_>) -> Result<Var> {
        let Growth { name, channels: [inputs, outputs], shortcut, .. } = growth;
        let Some(bands) = self.bands else { return Ok(x.clone()) };
        let [inputs, outputs] = [*inputs, *outputs];
        let split = Split::new(bands.size, [inputs, 4 * outputs], bands.limits);
        let name = format!("{name}.resample.1");
        let [y] = self.g.in_bands(split.count, |g, iteration| {
            let x = band(g, x, iteration, split, 1);
            let weight = g.weight_view(&format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
            let bias = g.weight_view(&format!("{name}.bias"), &[outputs])?;
            let mut corners = Vec::with_capacity(4);
            for [down, right] in [[0, 0], [0, 1], [1, 0], [1, 1]] {
                let weight = corner(g, &weight, down, right);
                let rows = slice(g, &x, down, down + split.rows as i64 + 1, 2);
                let pads = [("pads", Attr::Ints(vec![0, 1 - right, 0, right]))];
                corners.push(g.op("Conv", &[&rows, &weight, &bias], &pads));
            }
            let mut y = concat(g, &corners.iter().collect::<Vec<_>>(), 1);
            if let Some(shortcut) = shortcut {
                let shortcut = shortcut.band(g, iteration, split, bands, outputs);
                y = g.op("Add", &[&y, &shortcut], &[]);
            }
            // channels of the corners to pixels
            Ok([(g.op("DepthToSpace", &[&y], &[("blocksize", Attr::Int(2))]), 4)])
        })?;
        let doubled = Split { rows: 2 * split.rows, total: 2 * split.total, ..split };
        if let Some(bands) = &mut self.bands {
            bands.size = bands.size.map(|side| 2 * side);
        }
        self.level += 1;
        Ok(self.whole(&y, outputs, doubled))
    }

    /// Halves height and width: a strided convolution of each frame, padded on the right and at the bottom.
    pub(super) fn halve_size_in_bands(
        &mut self,
        bands: Bands,
        x: &Var,
        name: &str,
        channels: usize,
    ) -> Result<Var> {
        let [height, width] = bands.size;
        let split = Split::new([height / 2, width], [channels; 2], bands.limits);
        let name = format!("{name}.resample.1");
        let [y] = self.g.in_bands(split.count, |g, iteration| {
            let rows = Rows { stride: 2, before: 0, length: 2 * split.rows + 1, total: height };
            let x = rows_of(g, x, iteration, rows, split.rows);
            let weight = g.weight_view(&format!("{name}.weight"), &[channels, channels, 3, 3])?;
            let bias = g.weight_view(&format!("{name}.bias"), &[channels])?;
            let attrs = [("pads", Attr::Ints(vec![0, 0, 0, 1])), ("strides", Attr::Ints(vec![2, 2]))];
            Ok([(g.op("Conv", &[&x, &weight, &bias], &attrs), 4)])
        })?;
        let size = [height / 2, width / 2];
        if let Some(bands) = &mut self.bands {
            bands.size = size;
        }
        self.level += 1;
        Ok(self.whole(&y, channels, split))
    }

    /// `sqrt(C) * gamma` of the norm `name`, `[1, C, 1, 1]`.
    fn gain(&mut self, name: &str, channels: usize) -> Result<Var> {
        let gamma = self.g.weight_view(&format!("{name}.gamma"), &[1, channels, 1, 1])?;
        let root = self.g.scalar((channels as f32).sqrt());
        Ok(self.g.op("Mul", &[&gamma, &root], &[]))
    }

    /// `[bands, T, C, rows, W]` as `[1, C, T, H, W]`.
    fn whole(&mut self, y: &Var, channels: usize, split: Split) -> Var {
        let y = transpose(&mut self.g, y, &[2, 1, 0, 3, 4]);
        let (channels, rows) = (channels as i64, (split.count * split.rows) as i64);
        // the last dimension is not known here: columns may have been doubled
        let frames = self.g.op("Shape", &[&y], &[("start", Attr::Int(1)), ("end", Attr::Int(2))]);
        let columns = self.g.op("Shape", &[&y], &[("start", Attr::Int(4)), ("end", Attr::Int(5))]);
        let (lead, rows_dim) = (self.g.ints(&[1, channels]), self.g.ints(&[rows]));
        let dims = concat(&mut self.g, &[&lead, &frames, &rows_dim, &columns], 0);
        let y = self.g.op("Reshape", &[&y, &dims], &[]);
        if split.count * split.rows == split.total {
            return y;
        }
        slice(&mut self.g, &y, 0, split.total as i64, 3)
    }
}

/// VAE 2.2's shortcut around a level (`DupUp3D`), as the corners of doubled pixels: `[T, 4 * C, rows, W]`.
pub(super) struct Duplicate {
    /// The input of the level, `[1, C, T, H, W]`.
    pub(super) x: Var,
    /// Its channels.
    pub(super) inputs: usize,
    /// Whether the level doubles the number of frames.
    pub(super) doubles_time: bool,
}

impl Duplicate {
    fn band(
        &self,
        g: &mut GraphBuilder<'_>,
        iteration: &Var,
        split: Split,
        bands: Bands,
        outputs: usize,
    ) -> Var {
        let Self { x, inputs, doubles_time } = self;
        let x = band(g, x, iteration, split, 0);
        let time = if *doubles_time { 2 } else { 1 };
        let repeats = outputs * time * 4 / inputs;
        // the first call keeps only the last of the doubled frames
        let first = if bands.call == StreamCall::First { time - 1 } else { 0 };
        let source = |frame: usize, corner: usize, channel: usize| {
            (((channel * time + frame) * 4 + corner) / repeats) as i64
        };
        let indices: Vec<i64> = (first..time)
            .flat_map(|frame| (0..4).map(move |corner| (frame, corner)))
            .flat_map(|(frame, corner)| (0..outputs).map(move |channel| source(frame, corner, channel)))
            .collect();
        let indices = g.ints(&indices);
        let x = g.op("Gather", &[&x, &indices], &[("axis", Attr::Int(1))]);
        reshape(g, &x, &[bands.frames as i64, 4 * outputs as i64, split.rows as i64, bands.size[1] as i64])
    }
}

impl Shortcut<'_> {
    fn band(&self, g: &mut GraphBuilder<'_>, iteration: &Var, split: Split, outputs: usize) -> Result<Var> {
        let x = band(g, self.x, iteration, split, 0);
        let Some((name, inputs)) = self.conv else { return Ok(x) };
        let weight = g.weight_view(&format!("{name}.weight"), &[outputs, inputs, 1, 1])?;
        let bias = g.weight_view(&format!("{name}.bias"), &[outputs])?;
        Ok(g.op("Conv", &[&x, &weight, &bias], &[]))
    }
}

/// The rows of a band with `halo` rows on each side, zeros beyond the image: `[T, C, rows, W]` of `[1, C, T, H, W]`.
fn band(g: &mut GraphBuilder<'_>, x: &Var, iteration: &Var, split: Split, halo: usize) -> Var {
    let rows = Rows { stride: 1, before: halo, length: split.rows + 2 * halo, total: split.total };
    rows_of(g, x, iteration, rows, split.rows)
}

/// The input rows of a band.
#[derive(Clone, Copy)]
struct Rows {
    /// Input rows for each output row.
    stride: usize,
    /// Rows before the first.
    before: usize,
    length: usize,
    total: usize,
}

fn rows_of(g: &mut GraphBuilder<'_>, x: &Var, iteration: &Var, rows: Rows, band_rows: usize) -> Var {
    let [step, before, length, total, zero] =
        [rows.stride * band_rows, rows.before, rows.length, rows.total, 0]
            .map(|value| g.ints(&[value as i64]));
    let start = g.op("Mul", &[iteration, &step], &[]);
    let start = g.op("Sub", &[&start, &before], &[]);
    let end = g.op("Add", &[&start, &length], &[]);
    let from = g.op("Max", &[&start, &zero], &[]);
    let to = g.op("Min", &[&end, &total], &[]);
    let axis = g.ints(&[3]);
    let x = g.op("Slice", &[x, &from, &to, &axis], &[]);
    let above = g.op("Sub", &[&from, &start], &[]);
    let below = g.op("Sub", &[&end, &to], &[]);
    let (lead, between, last) = (g.ints(&[0, 0, 0]), g.ints(&[0, 0, 0, 0]), g.ints(&[0]));
    let pads = concat(g, &[&lead, &above, &between, &below, &last], 0);
    let x = g.op("Pad", &[&x, &pads], &[]);
    let x = transpose(g, &x, &[2, 1, 0, 3, 4]);
    squeeze(g, &x, 2)
}

/// `x / max(|x|, 1e-12) * gain` over channels; see [`Stream::norm`].
fn norm_of_frames(g: &mut GraphBuilder<'_>, x: &Var, gain: &Var) -> Var {
    let axis = g.ints(&[1]);
    let length = g.op("ReduceL2", &[x, &axis], &[("keepdims", Attr::Int(1))]);
    let least = g.scalar(1e-12);
    let length = g.op("Max", &[&length, &least], &[]);
    let x = g.op("Div", &[x, &length], &[]);
    g.op("Mul", &[&x, gain], &[])
}

/// `[1, C, H, W]` after a frame of zeros: the cache of a first call.
fn after_zeros(g: &mut GraphBuilder<'_>, x: &Var) -> Var {
    let pads = g.ints(&[1, 0, 0, 0, 0, 0, 0, 0]);
    g.op("Pad", &[x, &pads], &[])
}

fn each_frame(g: &mut GraphBuilder<'_>, frames: &Var, count: usize) -> Vec<Var> {
    g.op_many("Split", &[frames], count, &[("axis", Attr::Int(0)), ("num_outputs", Attr::Int(count as i64))])
}

/// The frame that a 3x3x3 convolution makes of three, `[3, C, rows + 2, W]`.
fn one_frame(g: &mut GraphBuilder<'_>, frames: &Var, [weight, bias]: [&Var; 2]) -> Vec<Var> {
    let x = transpose(g, frames, &[1, 0, 2, 3]);
    let x = unsqueeze(g, &x, 0);
    let y = g.op("Conv", &[&x, weight, bias], &[("pads", Attr::Ints(vec![0, 0, 1, 0, 0, 1]))]);
    vec![squeeze(g, &y, 2)]
}

/// The 2x2 weight for one corner of a doubled pixel: two of the three taps along each side meet the same pixel.
fn corner(g: &mut GraphBuilder<'_>, weight: &Var, down: i64, right: i64) -> Var {
    let [rows, columns] = [down, right].map(|side| {
        let sums: [f32; 6] =
            if side == 0 { [1.0, 0.0, 0.0, 0.0, 1.0, 1.0] } else { [1.0, 1.0, 0.0, 0.0, 0.0, 1.0] };
        g.floats(&sums, &[2, 3])
    });
    // one operation: ONNX Runtime keeps every intermediate result until the session is made
    g.op("Einsum", &[weight, &rows, &columns], &[("equation", Attr::Str("oihw,yh,xw->oiyx"))])
}
