//! The VAE encoder as a stream: the first call takes one frame, later ones four; each returns one latent frame.

use super::super::config::VaeConfig;
use super::layers::{concat, slice, transpose, unsqueeze};
use super::vae_bands::{BandLimits, Bands};
use super::vae_layers::{END, Stream, StreamCall, StreamGraph, cells};
use crate::core::Result;
use crate::onnx::{Attr, Dim, Dtype, GraphBuilder, GraphTarget, ValueSpec, Var, Weights};

/// The graph `frames [1,3,1 or 4,H,W] in [-1,1], cache_in_i -> latent [1,z,1,h,w], cache_out_i`.
///
/// `latent` is the mean of the posterior, normalised. Both graphs have the same caches in the same order; the first graph
/// does not read those of the temporal strides.
pub fn vae_encoder(
    config: &VaeConfig,
    weights: &Weights,
    call: StreamCall,
    target: impl Into<GraphTarget>,
) -> Result<StreamGraph> {
    let s = Stream::new(GraphBuilder::new(name(call), weights).for_target(target.into()));
    encoder(s, config, call, ["height".into(), "width".into()])
}

/// The graph of one call in bands, for frames of `size` rows and columns of pixels: `frames [1,3,1 or 4,H,W] in [-1,1],
/// cache_in_i -> latent [1,z,1,h,w], cache_out_i`. The first call takes no caches. It computes in fp32.
pub fn vae_encoder_in_bands(
    config: &VaeConfig,
    weights: &Weights,
    size: [usize; 2],
    call: StreamCall,
    limits: BandLimits,
) -> Result<StreamGraph> {
    let mut s = Stream::new(GraphBuilder::new(name(call), weights));
    let folded = size.map(|side| side / config.patch_size.unwrap_or(1));
    s.bands = Some(Bands { call, frames: num_frames(call), size: folded, limits });
    encoder(s, config, call, size.map(Dim::from))
}

fn name(call: StreamCall) -> &'static str {
    if call == StreamCall::First { "vae_encoder_first" } else { "vae_encoder" }
}

fn num_frames(call: StreamCall) -> usize {
    if call == StreamCall::First { 1 } else { 4 }
}

fn encoder(
    mut s: Stream<'_>,
    config: &VaeConfig,
    call: StreamCall,
    [height, width]: [Dim; 2],
) -> Result<StreamGraph> {
    let dims = [1.into(), 3.into(), num_frames(call).into(), height, width];
    let frames = s.g.input(ValueSpec::new("frames", Dtype::F32, dims));
    let x = fold_patch(&mut s, &frames, config);
    let x = s.g.narrow(&x);

    let widths: Vec<_> =
        std::iter::once(&1).chain(&config.dim_mult).map(|mult| mult * config.base_dim).collect();
    let mut x = s.causal_conv(&x, "encoder.conv_in", [config.in_channels, widths[0]])?;
    for (index, pair) in widths.windows(2).enumerate() {
        x = level(&mut s, &x, config, index, [pair[0], pair[1]], call)?;
    }
    let last = widths[widths.len() - 1];
    let x = s.middle(&x, "encoder.mid_block", last)?;
    let z = config.z_dim;
    let x = s.norm_conv(&x, "encoder.norm_out", "encoder.conv_out", [last, 2 * z])?;
    let x = s.conv(&x, "quant_conv", &[2 * z, 2 * z, 1, 1, 1], &[])?;
    let x = slice(&mut s.g, &x, 0, z as i64, 1);
    let x = s.g.widen(&x);
    let (mean, std) = s.statistics(&config.latents_mean, &config.latents_std);
    let x = s.g.op("Sub", &[&x, &mean], &[]);
    let latent = s.g.op("Div", &[&x, &std], &[]);
    let [rows, columns] = cells(config.temperal_downsample.len() as u32);
    s.g.output(&latent, ValueSpec::new("latent", Dtype::F32, [1.into(), z.into(), 1.into(), rows, columns]));
    Ok(s.finish())
}

/// One level. VAE 2.1 numbers all blocks consecutively (`down_blocks.7`), VAE 2.2 within the level.
fn level(
    s: &mut Stream<'_>,
    start: &Var,
    config: &VaeConfig,
    index: usize,
    [inputs, outputs]: [usize; 2],
    call: StreamCall,
) -> Result<Var> {
    let shrinks = index + 1 < config.dim_mult.len();
    let halves_time = shrinks && config.temperal_downsample.get(index).copied().unwrap_or(false);
    // the number of the level's first layer in VAE 2.1: a level has its blocks and a downsampler
    let first = index * (config.num_res_blocks + 1);
    let mut x = start.clone();
    for block in 0..config.num_res_blocks {
        let name = if config.is_residual {
            format!("encoder.down_blocks.{index}.resnets.{block}")
        } else {
            format!("encoder.down_blocks.{}", first + block)
        };
        x = s.residual(&x, &name, [if block == 0 { inputs } else { outputs }, outputs])?;
    }
    if shrinks {
        let name = if config.is_residual {
            format!("encoder.down_blocks.{index}.downsampler")
        } else {
            format!("encoder.down_blocks.{}", first + config.num_res_blocks)
        };
        x = halve_size(s, &x, &name, outputs)?;
        if halves_time {
            x = halve_time(s, &x, &name, outputs, call)?;
        }
    }
    if config.is_residual {
        let factors = [if halves_time { 2 } else { 1 }, if shrinks { 2 } else { 1 }];
        let shortcut = average(s, start, [inputs, outputs], factors, call);
        x = s.g.op("Add", &[&x, &shortcut], &[]);
    }
    Ok(x)
}

/// Halves height and width: a strided convolution of each frame, padded on the right and at the bottom.
fn halve_size(s: &mut Stream<'_>, x: &Var, name: &str, channels: usize) -> Result<Var> {
    if let Some(bands) = s.bands {
        return s.halve_size_in_bands(bands, x, name, channels);
    }
    let attrs = [("pads", Attr::Ints(vec![0, 0, 0, 0, 1, 1])), ("strides", Attr::Ints(vec![1, 2, 2]))];
    let x = s.frame_conv(x, &format!("{name}.resample.1"), [channels, channels], &attrs)?;
    s.level += 1;
    Ok(x)
}

/// Halves the number of frames. The first call passes its frame on unchanged, and later calls see it before their own.
fn halve_time(s: &mut Stream<'_>, x: &Var, name: &str, channels: usize, call: StreamCall) -> Result<Var> {
    if let (Some(bands), StreamCall::First) = (s.bands, call) {
        let [rows, columns] = bands.size;
        s.cache_made(channels, 1, [1, channels, 1, rows, columns]);
        let kept = slice(&mut s.g, x, -1, END, 2);
        s.keep(kept);
        return Ok(x.clone());
    }
    let cache = s.cache(channels, 1);
    let joined = concat(&mut s.g, &[&cache, x], 2);
    let kept = slice(&mut s.g, &joined, -1, END, 2);
    s.keep(kept);
    if call == StreamCall::First {
        return Ok(x.clone());
    }
    let strides = [("strides", Attr::Ints(vec![2, 1, 1]))];
    let y = s.conv(&joined, &format!("{name}.time_conv"), &[channels, channels, 3, 1, 1], &strides)?;
    if let Some(bands) = &mut s.bands {
        bands.frames /= 2;
    }
    Ok(y)
}

/// VAE 2.2's shortcut around a level (`AvgDown3D`): blocks of time and space become channels, averaged in groups.
fn average(
    s: &mut Stream<'_>,
    x: &Var,
    [inputs, outputs]: [usize; 2],
    [time, space]: [i64; 2],
    call: StreamCall,
) -> Var {
    let (ci, co) = (inputs as i64, outputs as i64);
    let group = ci * time * space * space / co;
    let mut x = x.clone();
    if call == StreamCall::First && time > 1 {
        // a single frame is padded with zeros in front
        let pads = s.g.ints(&[0, 0, time - 1, 0, 0, 0, 0, 0, 0, 0]);
        x = s.g.op("Pad", &[&x, &pads], &[]);
    }
    let extent = s.extent(&x);
    let factors = s.g.ints(&[time, space, space]);
    let shrunk = s.g.op("Div", &[&extent, &factors], &[]);
    let [t, h, w] = [0, 1, 2].map(|index| s.side(&shrunk, index));
    let (lead, time_factor, space_factor) = (s.g.ints(&[ci]), s.g.ints(&[time]), s.g.ints(&[space]));
    let dims = concat(&mut s.g, &[&lead, &t, &time_factor, &h, &space_factor, &w, &space_factor], 0);
    let x = s.g.op("Reshape", &[&x, &dims], &[]);
    let x = transpose(&mut s.g, &x, &[0, 2, 4, 6, 1, 3, 5]);
    let x = s.reshape_to(&x, &[co, group], &shrunk);
    let x = s.mean_of_groups(&x);
    unsqueeze(&mut s.g, &x, 0)
}

/// Folds blocks of 2x2 pixels into VAE 2.2's channels, ordered colour, column, row.
fn fold_patch(s: &mut Stream<'_>, frames: &Var, config: &VaeConfig) -> Var {
    let Some(patch) = config.patch_size.map(|side| side as i64) else { return frames.clone() };
    let extent = s.extent(frames);
    let factors = s.g.ints(&[1, patch, patch]);
    let shrunk = s.g.op("Div", &[&extent, &factors], &[]);
    let [t, h, w] = [0, 1, 2].map(|index| s.side(&shrunk, index));
    let (colours, side) = (s.g.ints(&[3]), s.g.ints(&[patch]));
    let dims = concat(&mut s.g, &[&colours, &t, &h, &side, &w, &side], 0);
    let x = s.g.op("Reshape", &[frames, &dims], &[]);
    let x = transpose(&mut s.g, &x, &[0, 5, 3, 1, 2, 4]);
    s.reshape_to(&x, &[1, 3 * patch * patch], &shrunk)
}
