//! The VAE decoder as a stream: each call takes one latent frame; the first returns one frame, later ones four.

use super::super::config::VaeConfig;
use super::layers::{concat, slice, transpose};
use super::vae_bands::{BandLimits, Bands, Duplicate, Growth};
use super::vae_layers::{END, Stream, StreamCall, StreamGraph, cells};
use crate::core::Result;
use crate::onnx::{Attr, Dim, Dtype, GraphBuilder, GraphTarget, ValueSpec, Var, Weights};

/// The graph `latent [1,z,1,h,w], numbers, cache_in_i -> frames [1,3,T,H,W] in [-1,1], cache_out_i`.
///
/// `latent` is normalised, as the transformer sees it. The first latent frame stands for one frame of the video, so the
/// first call skips the temporal upsampling: its [`super::CallNumber`]s are others.
pub fn vae_decoder(
    config: &VaeConfig,
    weights: &Weights,
    target: impl Into<GraphTarget>,
) -> Result<StreamGraph> {
    let s = Stream::new(GraphBuilder::new("vae_decoder", weights).for_target(target.into()));
    decoder(s, config, cells(0), Colours::Floats)
}

/// The graph of [`vae_decoder`] with colours of 8 bits, as images have them: `frames [1,T,H,W,3]` in uint8.
///
/// A fourth of the bytes leave the device that computes. Colours are rounded to the nearest, ties to even; NaN becomes 0.
pub fn vae_decoder_in_bytes(
    config: &VaeConfig,
    weights: &Weights,
    target: impl Into<GraphTarget>,
) -> Result<StreamGraph> {
    let s = Stream::new(GraphBuilder::new("vae_decoder", weights).for_target(target.into()));
    decoder(s, config, cells(0), Colours::Bytes)
}

/// The graph of one call in bands, for latents of `size` rows and columns: `latent [1,z,1,h,w], cache_in_i -> frames
/// [1,3,T,H,W] in [-1,1], cache_out_i`. The first call takes no caches. It computes in fp32.
pub fn vae_decoder_in_bands(
    config: &VaeConfig,
    weights: &Weights,
    size: [usize; 2],
    call: StreamCall,
    limits: BandLimits,
) -> Result<StreamGraph> {
    let name = if call == StreamCall::First { "vae_decoder_first" } else { "vae_decoder" };
    let mut s = Stream::new(GraphBuilder::new(name, weights));
    s.bands = Some(Bands { call, frames: 1, size, limits });
    decoder(s, config, size.map(Dim::from), Colours::Floats)
}

/// What the frames of a decoder consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    /// fp32 in [-1, 1], colours before rows.
    Floats,
    /// uint8, colours last.
    Bytes,
}

fn decoder(
    mut s: Stream<'_>,
    config: &VaeConfig,
    [rows, columns]: [Dim; 2],
    colours: Colours,
) -> Result<StreamGraph> {
    let z = config.z_dim;
    let latent =
        s.g.input(ValueSpec::new("latent", Dtype::F32, [1.into(), z.into(), 1.into(), rows, columns]));
    let (mean, std) = s.statistics(&config.latents_mean, &config.latents_std);
    let x = s.g.op("Mul", &[&latent, &std], &[]);
    let x = s.g.op("Add", &[&x, &mean], &[]);
    let x = s.g.narrow(&x);
    let x = s.conv(&x, "post_quant_conv", &[z, z, 1, 1, 1], &[])?;

    let widths = level_widths(config);
    let mut x = s.causal_conv(&x, "decoder.conv_in", [z, widths[0]])?;
    let mut frames = 1;
    x = s.middle(&x, "decoder.mid_block", widths[0])?;
    for (index, pair) in widths.windows(2).enumerate() {
        x = level(&mut s, &x, config, Level { index, channels: [pair[0], pair[1]], frames })?;
        frames *= if doubles_time(config, index) { 2 } else { 1 };
    }
    let last = widths[widths.len() - 1];
    let x = s.norm_conv(&x, "decoder.norm_out", "decoder.conv_out", [last, config.out_channels])?;
    let x = unfold_patch(&mut s, &x, config);
    let x = s.g.widen(&x);
    let (low, high) = s.g.in_fp32(|g| (g.scalar(-1.0), g.scalar(1.0)));
    let frames = s.g.op("Clip", &[&x, &low, &high], &[]);
    let [count, height, width] = ["frames", "height", "width"].map(Dim::from);
    match colours {
        Colours::Floats => {
            let spec = ValueSpec::new("frames", Dtype::F32, [1.into(), 3.into(), count, height, width]);
            s.g.output(&frames, spec);
        }
        Colours::Bytes => {
            let spec = ValueSpec::new("frames", Dtype::U8, [1.into(), count, height, width, 3.into()]);
            let frames = bytes(&mut s.g, &frames);
            s.g.output(&frames, spec);
        }
    }
    Ok(s.finish())
}

/// Colours `[1, 3, T, H, W]` in [-1, 1] as uint8 `[1, T, H, W, 3]`.
fn bytes(g: &mut GraphBuilder<'_>, frames: &Var) -> Var {
    let (two, half, most) = g.in_fp32(|g| (g.scalar(2.0), g.scalar(0.5), g.scalar(255.0)));
    let x = g.op("Div", &[frames, &two], &[]);
    let x = g.op("Add", &[&x, &half], &[]);
    let x = g.op("Mul", &[&x, &most], &[]);
    let x = g.op("Round", &[&x], &[]);
    let x = g.cast(&x, Dtype::U8);
    transpose(g, &x, &[0, 2, 3, 4, 1])
}

/// Width before the first level and after each level.
fn level_widths(config: &VaeConfig) -> Vec<usize> {
    let base = config.decoder_base_dim.unwrap_or(config.base_dim);
    let top = config.dim_mult.last().copied().unwrap_or(1);
    std::iter::once(top).chain(config.dim_mult.iter().rev().copied()).map(|mult| base * mult).collect()
}

/// One level of the decoder.
struct Level {
    index: usize,
    /// Width before and after it.
    channels: [usize; 2],
    /// Frames that come in with every call but the first, which has one.
    frames: i64,
}

/// Whether level `index` doubles the number of frames.
fn doubles_time(config: &VaeConfig, index: usize) -> bool {
    let grows = index + 1 < config.dim_mult.len();
    grows && config.temperal_downsample.iter().rev().nth(index).copied().unwrap_or(false)
}

fn level(
    s: &mut Stream<'_>,
    start: &Var,
    config: &VaeConfig,
    Level { index, channels: [before, outputs], frames }: Level,
) -> Result<Var> {
    let name = format!("decoder.up_blocks.{index}");
    let grows = index + 1 < config.dim_mult.len();
    let doubles_time = doubles_time(config, index);
    // VAE 2.1 halves the width in its upsamplers, 2.2 keeps it
    let inputs = if index > 0 && !config.is_residual { before / 2 } else { before };
    let mut x = start.clone();
    for block in 0..=config.num_res_blocks {
        let channels = [if block == 0 { inputs } else { outputs }, outputs];
        x = s.residual(&x, &format!("{name}.resnets.{block}"), channels)?;
    }
    if !grows {
        return Ok(x);
    }
    let (upsampler, after) =
        if config.is_residual { ("upsampler", outputs) } else { ("upsamplers.0", outputs / 2) };
    let upsampler = format!("{name}.{upsampler}");
    if s.bands.is_some() {
        let shortcut =
            config.is_residual.then(|| Duplicate { x: start.clone(), inputs: before, doubles_time });
        let growth = Growth { name: &upsampler, channels: [outputs, after], doubles_time, shortcut };
        return s.grow_in_bands(&x, &growth);
    }
    if doubles_time {
        x = double_time(s, &x, &upsampler, outputs, frames)?;
    }
    x = double_size(s, &x, &upsampler, [outputs, after])?;
    if config.is_residual {
        let shortcut = duplicate(s, start, [before, outputs], doubles_time.then_some(frames));
        x = s.g.op("Add", &[&x, &shortcut], &[]);
    }
    Ok(x)
}

/// Doubles the number of frames, which are `frames` in all calls but the first: a convolution in time makes two of each.
/// In the first call `x` is unchanged and the cache stays zero, as with diffusers' "Rep" marker.
fn double_time(s: &mut Stream<'_>, x: &Var, name: &str, channels: usize, frames: i64) -> Result<Var> {
    let cache = s.cache(channels, 2);
    let joined = concat(&mut s.g, &[&cache, x], 2);
    let y = s.conv(&joined, &format!("{name}.time_conv"), &[2 * channels, channels, 3, 1, 1], &[])?;
    let wide = channels as i64;
    let extent = s.extent(x);
    let y = s.reshape_to(&y, &[2, wide], &extent);
    let y = transpose(&mut s.g, &y, &[1, 2, 0, 3, 4]);
    let plane = slice(&mut s.g, &extent, 1, 3, 0);
    let y = s.reshape_to(&y, &[1, wide, -1], &plane);

    // of [x, y] along time, select x in the first call and y later
    let from = s.number(format!("frames_from_{frames}"), [0, frames]);
    let to = s.number(format!("frames_to_{frames}"), [1, 3 * frames]);
    let both = concat(&mut s.g, &[x, &y], 2);
    let axis = s.g.ints(&[2]);
    let y = s.g.op("Slice", &[&both, &from, &to, &axis], &[]);

    // the first call keeps the zeros it was given, the others the last two frames
    let to = s.number(format!("kept_to_{frames}"), [2, frames + 2]);
    let kept = s.g.op("Slice", &[&joined, &from, &to, &axis], &[]);
    s.keep(kept);
    Ok(y)
}

/// Doubles height and width: nearest neighbour, then a convolution of each frame.
fn double_size(s: &mut Stream<'_>, x: &Var, name: &str, channels: [usize; 2]) -> Result<Var> {
    let scales = s.g.floats(&[1.0, 1.0, 1.0, 2.0, 2.0], &[5]);
    let attrs = [
        ("mode", Attr::Str("nearest")),
        ("coordinate_transformation_mode", Attr::Str("asymmetric")),
        ("nearest_mode", Attr::Str("floor")),
    ];
    let x = s.g.op("Resize", &[x, &Var::none(), &scales], &attrs);
    s.level += 1;
    let pads = Attr::Ints(vec![0, 1, 1, 0, 1, 1]);
    s.frame_conv(&x, &format!("{name}.resample.1"), channels, &[("pads", pads)])
}

/// VAE 2.2's shortcut around a level (`DupUp3D`): channels are repeated in space, and in time if the level doubles the
/// frames of a later call, `doubled`.
fn duplicate(s: &mut Stream<'_>, x: &Var, [inputs, outputs]: [usize; 2], doubled: Option<i64>) -> Var {
    let (time, space) = (if doubled.is_some() { 2 } else { 1 }, 2);
    let (ci, co) = (inputs as i64, outputs as i64);
    let repeats = co * time * space * space / ci;
    let extent = s.extent(x);
    let x = s.reshape_to(x, &[ci, 1], &extent);
    let lead = s.g.ints(&[ci, repeats]);
    let dims = concat(&mut s.g, &[&lead, &extent], 0);
    let x = s.g.op("Expand", &[&x, &dims], &[]);
    let x = s.reshape_to(&x, &[co, time, space, space], &extent);
    let x = transpose(&mut s.g, &x, &[0, 4, 1, 5, 2, 6, 3]);
    let factors = s.g.ints(&[time, space, space]);
    let grown = s.g.op("Mul", &[&extent, &factors], &[]);
    let x = s.reshape_to(&x, &[1, co], &grown);
    let Some(frames) = doubled else { return x };
    // the first call keeps only the last of the doubled frames
    let from = s.number(format!("shortcut_from_{frames}"), [time - 1, 0]);
    let (to, axis) = (s.g.ints(&[END]), s.g.ints(&[2]));
    s.g.op("Slice", &[&x, &from, &to, &axis], &[])
}

/// Unfolds VAE 2.2's channels to blocks of 2x2 pixels; channels are ordered colour, column, row.
fn unfold_patch(s: &mut Stream<'_>, x: &Var, config: &VaeConfig) -> Var {
    let Some(patch) = config.patch_size.map(|side| side as i64) else { return x.clone() };
    let colours = config.out_channels as i64 / (patch * patch);
    let extent = s.extent(x);
    let x = s.reshape_to(x, &[colours, patch, patch], &extent);
    let x = transpose(&mut s.g, &x, &[0, 3, 4, 2, 5, 1]);
    let factors = s.g.ints(&[1, patch, patch]);
    let grown = s.g.op("Mul", &[&extent, &factors], &[]);
    s.reshape_to(&x, &[1, colours], &grown)
}
