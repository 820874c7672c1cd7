//! Layers of the causal VAE, with the caches that make it a stream.
//!
//! Reference: `wan/modules/vae2_1.py` and `vae2_2.py`, diffusers' `AutoencoderKLWan`. Values are `[1, C, T, H, W]`. A
//! causal convolution sees two earlier frames: its last input frames are an output of one call and an input of the next.
//! Caches of zeros at the start give exactly what diffusers' missing caches give.

use super::layers::{concat, silu, slice, squeeze, transpose};
use super::vae_bands::{BandConv, Bands, Shortcut};
use crate::core::Result;
use crate::onnx::{Attr, Dim, Dtype, Graph, GraphBuilder, ValueSpec, Var};

/// The end of an axis, for slices of its tail.
pub(super) const END: i64 = i64::MAX;

/// Which call a graph is for, if the first one has a graph of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCall {
    /// One frame of the video.
    First,
    /// Four frames.
    Later,
}

/// One cache: `[1, channels, frames, height, width]`, with the size of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSpec {
    /// Channels.
    pub channels: usize,
    /// Frames kept: 2, or 1 at a temporal downsampler.
    pub frames: usize,
    /// Number of downsamplings or upsamplings between the graph's input and this cache.
    pub level: u32,
    /// Type of its values: that of the graph on CUDA, else fp32.
    pub dtype: Dtype,
}

/// An input `[1]` of int64 that is another number in the first call than after it: an end of a slice.
///
/// Providers with memory of their own read such a number on the CPU, and a computed one only after a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNumber {
    /// Name of the input.
    pub name: String,
    /// In the first call.
    pub first: i64,
    /// In all others.
    pub later: i64,
}

impl CallNumber {
    /// The number in the call `index`, counted from 0.
    pub fn in_call(&self, index: usize) -> i64 {
        if index == 0 { self.first } else { self.later }
    }
}

/// A graph that is called once per latent frame, with caches `cache_in_i -> cache_out_i` that are zero at the start.
#[derive(Clone, Debug)]
pub struct StreamGraph {
    /// The graph.
    pub graph: Graph,
    /// Its caches, in order.
    pub caches: Vec<CacheSpec>,
    /// Its inputs that depend on the call.
    pub numbers: Vec<CallNumber>,
}

/// A graph builder that declares caches.
pub(super) struct Stream<'w> {
    pub(super) g: GraphBuilder<'w>,
    pub(super) level: u32,
    /// Present in graphs that compute in bands.
    pub(super) bands: Option<Bands>,
    caches: Vec<CacheSpec>,
    numbers: Vec<CallNumber>,
    /// Shapes of the caches.
    shapes: Vec<Vec<Dim>>,
    outputs: Vec<Var>,
}

impl<'w> Stream<'w> {
    pub(super) fn new(g: GraphBuilder<'w>) -> Self {
        Self {
            g,
            level: 0,
            bands: None,
            caches: Vec::new(),
            numbers: Vec::new(),
            shapes: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Declares the next cache and returns its input.
    pub(super) fn cache(&mut self, channels: usize, frames: usize) -> Var {
        let [rows, columns] = cells(self.level);
        let input =
            self.declare(channels, frames, vec![1.into(), channels.into(), frames.into(), rows, columns]);
        let dtype = input.dtype;
        let input = self.g.input(input);
        let compute = self.g.section_compute().dtype();
        self.g.converted(&input, [dtype, compute])
    }

    /// Declares the next cache, of two frames in bands, and returns its input.
    pub(super) fn cache_in_bands(&mut self, channels: usize, dims: [usize; 5]) -> Var {
        let input = self.declare(channels, 2, dims.map(Dim::from).to_vec());
        self.g.input(input)
    }

    /// Declares the next cache, which a first call makes and does not take.
    pub(super) fn cache_made(&mut self, channels: usize, frames: usize, dims: [usize; 5]) {
        self.declare(channels, frames, dims.map(Dim::from).to_vec());
    }

    fn declare(&mut self, channels: usize, frames: usize, dims: Vec<Dim>) -> ValueSpec {
        let name = format!("cache_in_{}", self.caches.len());
        let dtype = self.g.cache_type();
        self.caches.push(CacheSpec { channels, frames, level: self.level, dtype });
        self.shapes.push(dims.clone());
        ValueSpec::new(name, dtype, dims)
    }

    /// Declares a number that depends on the call, and returns its input.
    pub(super) fn number(&mut self, name: String, [first, later]: [i64; 2]) -> Var {
        self.numbers.push(CallNumber { name: name.clone(), first, later });
        self.g.input(ValueSpec::new(name, Dtype::I64, [1.into()]))
    }

    /// Sets the output of the most recently declared cache.
    pub(super) fn keep(&mut self, value: Var) {
        self.outputs.push(value);
    }

    pub(super) fn finish(mut self) -> StreamGraph {
        debug_assert_eq!(self.caches.len(), self.outputs.len(), "every cache has an output");
        for (index, (var, dims)) in self.outputs.iter().zip(self.shapes).enumerate() {
            let (compute, dtype) = (self.g.section_compute().dtype(), self.caches[index].dtype);
            let var = self.g.converted(var, [compute, dtype]);
            self.g.output(&var, ValueSpec::new(format!("cache_out_{index}"), dtype, dims));
        }
        StreamGraph { graph: self.g.finish(), caches: self.caches, numbers: self.numbers }
    }

    /// 3x3x3 causal convolution called `name`, through a cache of two frames.
    pub(super) fn causal_conv(&mut self, x: &Var, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Var> {
        if let Some(bands) = self.bands {
            let layer = BandConv { name, channels: [inputs, outputs], norm: None, shortcut: None };
            return self.conv_in_bands(bands, x, layer);
        }
        let cache = self.cache(inputs, 2);
        let x = concat(&mut self.g, &[&cache, x], 2);
        let kept = slice(&mut self.g, &x, -2, END, 2);
        self.keep(kept);
        self.conv(&x, name, &[outputs, inputs, 3, 3, 3], &[("pads", Attr::Ints(vec![0, 1, 1, 0, 1, 1]))])
    }

    /// Convolution with the weight `name.weight`, reshaped to `dims`, and its bias.
    pub(super) fn conv(
        &mut self,
        x: &Var,
        name: &str,
        dims: &[usize],
        attrs: &[(&'static str, Attr)],
    ) -> Result<Var> {
        let weight = self.g.weight_view(&format!("{name}.weight"), dims)?;
        let bias = self.g.weight(&format!("{name}.bias"), &dims[..1])?;
        Ok(self.g.op("Conv", &[x, &weight, &bias], attrs))
    }

    /// 3x3 convolution of each frame, a `Conv2d` in the checkpoint.
    pub(super) fn frame_conv(
        &mut self,
        x: &Var,
        name: &str,
        [inputs, outputs]: [usize; 2],
        attrs: &[(&'static str, Attr)],
    ) -> Result<Var> {
        self.conv(x, name, &[outputs, inputs, 1, 3, 3], attrs)
    }

    /// `x / max(|x|, 1e-12) * sqrt(C) * gamma` over channels, diffusers' `WanRMS_norm`. It is computed in fp32, because
    /// 16 bits hold neither the squares of large values nor 1e-12.
    pub(super) fn norm(&mut self, x: &Var, name: &str, channels: usize) -> Result<Var> {
        let g = &mut self.g;
        let x = g.widen(x);
        let x = g.in_fp32(|g| -> Result<_> {
            let gamma = g.weight_view(&format!("{name}.gamma"), &[1, channels, 1, 1, 1])?;
            let root = g.scalar((channels as f32).sqrt());
            let gamma = g.op("Mul", &[&gamma, &root], &[]);
            let axis = g.ints(&[1]);
            let length = g.op("ReduceL2", &[&x, &axis], &[("keepdims", Attr::Int(1))]);
            let least = g.scalar(1e-12);
            let length = g.op("Max", &[&length, &least], &[]);
            let x = g.op("Div", &[&x, &length], &[]);
            Ok(g.op("Mul", &[&x, &gamma], &[]))
        })?;
        Ok(g.narrow(&x))
    }

    /// Norm, `SiLU`, causal convolution.
    pub(super) fn norm_conv(&mut self, x: &Var, norm: &str, conv: &str, channels: [usize; 2]) -> Result<Var> {
        if let Some(bands) = self.bands {
            let layer = BandConv { name: conv, channels, norm: Some(norm), shortcut: None };
            return self.conv_in_bands(bands, x, layer);
        }
        let x = self.norm(x, norm, channels[0])?;
        let x = silu(&mut self.g, &x);
        self.causal_conv(&x, conv, channels)
    }

    /// Two convolutions with a shortcut around them.
    pub(super) fn residual(&mut self, x: &Var, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Var> {
        if let Some(bands) = self.bands {
            return self.residual_in_bands(bands, x, name, [inputs, outputs]);
        }
        let shortcut = if inputs == outputs {
            x.clone()
        } else {
            self.conv(x, &format!("{name}.conv_shortcut"), &[outputs, inputs, 1, 1, 1], &[])?
        };
        let y = self.norm_conv(x, &format!("{name}.norm1"), &format!("{name}.conv1"), [inputs, outputs])?;
        let y = self.norm_conv(&y, &format!("{name}.norm2"), &format!("{name}.conv2"), [outputs, outputs])?;
        Ok(self.g.op("Add", &[&y, &shortcut], &[]))
    }

    fn residual_in_bands(
        &mut self,
        bands: Bands,
        x: &Var,
        name: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Var> {
        let y = self.norm_conv(x, &format!("{name}.norm1"), &format!("{name}.conv1"), [inputs, outputs])?;
        let conv = format!("{name}.conv_shortcut");
        let shortcut = Shortcut { x, conv: (inputs != outputs).then_some((&conv, inputs)) };
        let layer = BandConv {
            name: &format!("{name}.conv2"),
            channels: [outputs; 2],
            norm: Some(&format!("{name}.norm2")),
            shortcut: Some(shortcut),
        };
        self.conv_in_bands(bands, &y, layer)
    }

    /// The middle block: residual, attention, residual.
    pub(super) fn middle(&mut self, x: &Var, name: &str, channels: usize) -> Result<Var> {
        let x = self.residual(x, &format!("{name}.resnets.0"), [channels, channels])?;
        let x = self.attention(&x, &format!("{name}.attentions.0"), channels)?;
        self.residual(&x, &format!("{name}.resnets.1"), [channels, channels])
    }

    /// Attention with one head over the cells of each frame.
    fn attention(&mut self, x: &Var, name: &str, channels: usize) -> Result<Var> {
        let wide = channels as i64;
        let y = self.norm(x, &format!("{name}.norm"), channels)?;
        let y = self.conv(&y, &format!("{name}.to_qkv"), &[3 * channels, channels, 1, 1, 1], &[])?;
        let g = &mut self.g;
        let size = g.op("Shape", &[x], &[]);
        let frames = slice(g, &size, 2, 3, 0);
        let y = transpose(g, &y, &[0, 2, 3, 4, 1]);
        let rest = g.ints(&[-1, 3 * wide]);
        let dims = concat(g, &[&frames, &rest], 0);
        let y = g.op("Reshape", &[&y, &dims], &[]);
        let parts = g.op_many("Split", &[&y], 3, &[("axis", Attr::Int(2)), ("num_outputs", Attr::Int(3))]);
        let heads = [("num_heads", Attr::Int(1))];
        let y = g.contrib("MultiHeadAttention", &parts.iter().collect::<Vec<_>>(), &heads);
        let (lead, cells, last) = (g.ints(&[1]), slice(g, &size, 2, 5, 0), g.ints(&[wide]));
        let dims = concat(g, &[&lead, &cells, &last], 0);
        let y = g.op("Reshape", &[&y, &dims], &[]);
        let y = transpose(g, &y, &[0, 4, 1, 2, 3]);
        let y = self.conv(&y, &format!("{name}.proj"), &[channels, channels, 1, 1, 1], &[])?;
        Ok(self.g.op("Add", &[x, &y], &[]))
    }

    /// Time, height and width of `x`: `[3]`.
    pub(super) fn extent(&mut self, x: &Var) -> Var {
        self.g.op("Shape", &[x], &[("start", Attr::Int(2))])
    }

    /// `x` reshaped to `lead` followed by `extent`.
    pub(super) fn reshape_to(&mut self, x: &Var, lead: &[i64], extent: &Var) -> Var {
        let lead = self.g.ints(lead);
        let dims = concat(&mut self.g, &[&lead, extent], 0);
        self.g.op("Reshape", &[x, &dims], &[])
    }

    /// Means and deviations of the latent channels, each `[1, z, 1, 1, 1]`.
    pub(super) fn statistics(&mut self, mean: &[f32], std: &[f32]) -> (Var, Var) {
        let (mean, std) =
            (self.g.floats(mean, &[1, mean.len(), 1, 1, 1]), self.g.floats(std, &[1, std.len(), 1, 1, 1]));
        (mean, std)
    }

    /// Dimension `index` of an extent: `[1]`.
    pub(super) fn side(&mut self, extent: &Var, index: i64) -> Var {
        slice(&mut self.g, extent, index, index + 1, 0)
    }

    /// The mean of `x` over its dimension 1.
    pub(super) fn mean_of_groups(&mut self, x: &Var) -> Var {
        let axis = self.g.ints(&[1]);
        let x = self.g.op("ReduceMean", &[x, &axis], &[("keepdims", Attr::Int(1))]);
        squeeze(&mut self.g, &x, 1)
    }
}

/// Names of rows and columns at `level`; values of one level have the same size.
pub(super) fn level_names(level: u32) -> [String; 2] {
    [format!("height_{level}"), format!("width_{level}")]
}

/// Rows and columns at `level`.
pub(super) fn cells(level: u32) -> [Dim; 2] {
    level_names(level).map(|name| Dim::Named(name.into()))
}
