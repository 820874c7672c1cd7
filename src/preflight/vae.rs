//! Memory and work of the VAE, layer by layer as `wan/graphs` builds it.

use crate::core::Resolution;
use crate::wan::VaeConfig;
use crate::wan::graphs::{BandLimits, StreamCall};

/// Bytes of an fp32 value.
const F32: u64 = 4;
/// Weights of a 3x3x3 convolution, and of a 3x3 convolution, for each pair of channels.
const CAUSAL_TAPS: u64 = 27;
const FRAME_TAPS: u64 = 9;
/// Values of a band that are alive in a convolution, for each of its frames: the frames with those of the cache, their sums,
/// and what the kernels make of them. Measured with TI2V-5B's decoder.
const VALUES_OF_A_BAND: u64 = 15;
/// What making a session in bands takes, in percent of the weights that the formula counts as alive.
const MAKING_PERCENT: u64 = 102;

/// What one call costs: one latent frame, which is one or four frames of the video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Bytes of the caches that are carried from one call to the next.
    pub(super) caches: u64,
    /// Peak bytes that are alive at once: input caches, output caches and intermediate values.
    pub(super) live: u64,
    /// Multiplications and additions.
    pub(super) work: u64,
}

/// What the calls in bands take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BandedChunk {
    /// Bytes of the caches, which are updated in place.
    pub(super) caches: u64,
    /// Peak bytes of intermediate values beside the caches.
    pub(super) values: u64,
    /// Bytes of the weights whose pages of the files stay in memory.
    pub(super) mapped: u64,
    /// Bytes of the weights that the session keeps beside the pages of the files.
    pub(super) weights: u64,
    /// Bytes of the weights and of everything that leads to them, which is alive until the session is made.
    pub(super) making: u64,
}

/// Weights of a session, and what is alive while it is made.
#[derive(Clone, Copy, Default)]
struct SessionWeights {
    /// Whether 16-bit weights become fp32.
    is_half: bool,
    /// Bytes that are read from the files in every call.
    mapped: u64,
    /// Bytes that the session keeps.
    kept: u64,
    /// Bytes that are alive at the end of making it.
    alive: u64,
    /// Bytes of the largest weight that is cast for a moment.
    cast: u64,
}

impl SessionWeights {
    /// 3x3x3 convolutions of `pairs` of channels, computed with `sums` weights of 3x3 taps; with the stored ones, which are
    /// cast in every call, if there are none. Each sum exists as the operation's result and in the layout of the kernel.
    fn convs(&mut self, pairs: u64, sums: u64) {
        if sums == 0 {
            self.mapped += CAUSAL_TAPS * pairs * if self.is_half { F32 / 2 } else { F32 };
            return;
        }
        let kernels = sums * FRAME_TAPS * pairs * F32;
        self.kept += kernels;
        self.alive += 2 * kernels;
    }

    /// A weight of `pairs` of channels is cast, and transposed, for sums of its taps while the others are there.
    fn cast(&mut self, pairs: u64) {
        if self.is_half {
            self.cast = self.cast.max(2 * CAUSAL_TAPS * pairs * F32);
        }
    }

    fn making(&self) -> u64 {
        (self.alive + self.cast) * MAKING_PERCENT / 100
    }

    /// The four 2x2 convolutions of an upsampler.
    fn corners(&mut self, pairs: u64) {
        let cast = if self.is_half { FRAME_TAPS * pairs * F32 } else { 0 };
        self.kept += 16 * pairs * F32;
        self.alive += cast + 32 * pairs * F32;
    }
}

/// Follows one call through the layers.
struct Walk {
    /// Cells of a frame at the current level.
    plane: u64,
    frames: u64,
    /// Peak bytes of output caches and intermediate values.
    peak: u64,
    /// Bytes of the current level's shortcut, which is kept until the level ends.
    shortcut_bytes: u64,
    caches: u64,
    work: u64,
}

impl Walk {
    fn bytes(&self, channels: u64) -> u64 {
        channels * self.frames * self.plane * F32
    }

    fn alive(&mut self, bytes: u64) {
        self.peak = self.peak.max(self.caches + self.shortcut_bytes + bytes);
    }

    /// A causal convolution with a cache of two frames, and the norm and activation before it; `kept` bytes stay alive.
    fn causal_conv(&mut self, [inputs, outputs]: [u64; 2], kept: u64) {
        let cache = 2 * inputs * self.plane * F32;
        let (before, after) = (self.bytes(inputs), self.bytes(outputs));
        self.caches += cache;
        self.alive(kept + (4 * before).max(2 * before + cache).max(before + 2 * cache + after));
        self.work += 2 * CAUSAL_TAPS * inputs * outputs * self.frames * self.plane;
    }

    fn residual(&mut self, [inputs, outputs]: [u64; 2]) {
        let shortcut = self.bytes(outputs);
        self.causal_conv([inputs, outputs], shortcut);
        self.causal_conv([outputs, outputs], shortcut);
    }

    fn middle(&mut self, channels: u64) {
        self.residual([channels; 2]);
        self.work += 2 * self.frames * self.plane * channels * (4 * channels + 2 * self.plane);
        self.residual([channels; 2]);
    }

    fn time_conv(&mut self, channels: u64, cache_frames: u64) {
        self.caches += cache_frames * channels * self.plane * F32;
        self.work += 2 * 3 * 2 * channels * channels * self.frames * self.plane;
        let values = self.bytes(channels);
        self.alive(6 * values);
    }

    fn frame_conv(&mut self, [inputs, outputs]: [u64; 2]) {
        self.work += 2 * FRAME_TAPS * inputs * outputs * self.frames * self.plane;
    }

    fn finish(self) -> Chunk {
        // input caches stay alive until the call ends
        Chunk { caches: self.caches, live: self.peak + self.caches, work: self.work }
    }
}

/// The decoder's call for one latent frame of `cells` cells: the first gives one frame, later ones four.
pub(super) fn decoder_chunk(config: &VaeConfig, cells: u64, first: bool) -> Chunk {
    let base = config.decoder_base_dim.unwrap_or(config.base_dim);
    let widths: Vec<_> = config.dim_mult.iter().rev().map(|mult| (base * mult) as u64).collect();
    let top = widths.first().copied().unwrap_or_default();
    let mut walk = Walk { plane: cells, frames: 1, peak: 0, shortcut_bytes: 0, caches: 0, work: 0 };
    walk.causal_conv([config.z_dim as u64, top], 0);
    walk.middle(top);
    let mut before = top;
    for (index, &outputs) in widths.iter().enumerate() {
        let inputs = if index > 0 && !config.is_residual { before / 2 } else { before };
        walk.shortcut_bytes = if config.is_residual { walk.bytes(inputs) } else { 0 };
        for block in 0..=config.num_res_blocks {
            walk.residual([if block == 0 { inputs } else { outputs }, outputs]);
        }
        before = outputs;
        if index + 1 == widths.len() {
            break;
        }
        if config.temperal_downsample.iter().rev().nth(index).copied().unwrap_or(false) {
            walk.time_conv(outputs, 2);
            walk.frames *= if first { 1 } else { 2 };
        }
        walk.plane *= 4;
        let after = if config.is_residual { outputs } else { outputs / 2 };
        let (large, small) = (walk.bytes(outputs), walk.bytes(after));
        walk.alive(large + small.max(large / 4));
        walk.frame_conv([outputs, after]);
        if config.is_residual {
            walk.alive(4 * small);
        }
    }
    walk.shortcut_bytes = 0;
    walk.causal_conv([before, config.out_channels as u64], 0);
    walk.finish()
}

/// The decoder's call in bands for one latent frame of `[rows, columns]` cells; `is_half` if its weights are stored in 16
/// bits.
pub(super) fn decoder_chunk_in_bands(
    config: &VaeConfig,
    size: [usize; 2],
    call: StreamCall,
    is_half: bool,
) -> BandedChunk {
    let first = call == StreamCall::First;
    let base = config.decoder_base_dim.unwrap_or(config.base_dim);
    let widths: Vec<_> = config.dim_mult.iter().rev().map(|mult| (base * mult) as u64).collect();
    let mut before = widths.first().copied().unwrap_or_default();
    let mut made = SessionWeights { is_half, ..SessionWeights::default() };
    let mut bands = BandWalk { size, frames: 1, caches: 0, peak: 0 };
    bands.conv([config.z_dim as u64, before], 0);
    // two blocks in the middle
    made.convs(4 * before * before, u64::from(first));
    (0..2).for_each(|_| bands.residual([before; 2], 0));
    for (index, &outputs) in widths.iter().enumerate() {
        let inputs = if index > 0 && !config.is_residual { before / 2 } else { before };
        let grows = index + 1 < widths.len();
        // the level's input, if it is added at the end
        let level = if config.is_residual && grows { bands.bytes(inputs) } else { 0 };
        for block in 0..=config.num_res_blocks {
            // the first block has the level's input as its own
            let (inputs, beside) = if block == 0 { (inputs, 0) } else { (outputs, level) };
            bands.residual([inputs, outputs], beside);
        }
        // how many sums of taps
        let sums = match bands.frames {
            _ if first => 1,
            1 => 0,
            2 => 4,
            _ => 6,
        };
        let pairs = inputs * outputs + (2 * config.num_res_blocks as u64 + 1) * outputs * outputs;
        made.convs(pairs, sums);
        if sums > 1 {
            made.cast(inputs * outputs);
        }
        before = outputs;
        if grows {
            if config.temperal_downsample.iter().rev().nth(index).copied().unwrap_or(false) {
                bands.double_time(outputs, first, level);
            }
            let after = if config.is_residual { outputs } else { outputs / 2 };
            bands.double_size([outputs, after], level);
            made.corners(outputs * after);
        }
    }
    bands.conv([before, config.out_channels as u64], 0);
    let BandWalk { caches, peak, .. } = bands;
    BandedChunk { caches, values: peak, mapped: made.mapped, weights: made.kept, making: made.making() }
}

/// Follows a call in bands through the layers.
struct BandWalk {
    /// Rows and columns at the current level.
    size: [usize; 2],
    frames: u64,
    caches: u64,
    /// Peak bytes of intermediate values.
    peak: u64,
}

impl BandWalk {
    fn bytes(&self, channels: u64) -> u64 {
        self.frames * self.frame(channels, self.size[0])
    }

    /// Bytes of one frame of `rows` rows.
    fn frame(&self, channels: u64, rows: usize) -> u64 {
        channels * (rows * self.size[1]) as u64 * F32
    }

    fn bands(&self, [inputs, outputs]: [u64; 2]) -> [usize; 2] {
        BandLimits::default().bands(self.size, [inputs as usize, outputs as usize])
    }

    /// A layer that makes `result` bytes while `beside` bytes are alive; its result exists in bands and as a whole for a
    /// moment, when only `after` bytes are alive beside it.
    fn layer(&mut self, channels: [u64; 2], result: u64, [beside, after]: [u64; 2]) {
        let [_, rows] = self.bands(channels);
        let band = VALUES_OF_A_BAND * self.frames * self.frame(channels[0].max(channels[1]), rows);
        self.peak = self.peak.max(beside + result + band).max(after + 2 * result);
    }

    /// A causal convolution while `beside` bytes are alive besides its input.
    fn conv(&mut self, channels: [u64; 2], beside: u64) {
        let [count, rows] = self.bands(channels);
        // a cache has the rows above and below each band
        self.caches += 2 * count as u64 * self.frame(channels[0], rows + 2);
        self.layer(channels, self.bytes(channels[1]), [beside + self.bytes(channels[0]), beside]);
    }

    fn residual(&mut self, [inputs, outputs]: [u64; 2], beside: u64) {
        // the input is added at the end
        let input = self.bytes(inputs);
        self.conv([inputs, outputs], beside);
        self.conv([outputs; 2], beside + input);
    }

    fn double_time(&mut self, channels: u64, first: bool, level: u64) {
        let [count, rows] = self.bands([channels, 2 * channels]);
        self.caches += 2 * count as u64 * self.frame(channels, rows);
        if !first {
            let input = self.bytes(channels);
            self.layer([channels, 2 * channels], 2 * input, [level + input, level]);
            self.frames *= 2;
        }
    }

    fn double_size(&mut self, [inputs, outputs]: [u64; 2], level: u64) {
        let result = 4 * self.bytes(outputs);
        self.layer([inputs, 4 * outputs], result, [level + self.bytes(inputs), 0]);
        self.size = self.size.map(|side| 2 * side);
    }
}

/// The encoder's call for one latent frame of a video of `size`: the first takes one frame, later ones four.
pub(super) fn encoder_chunk(config: &VaeConfig, size: Resolution, first: bool) -> Chunk {
    let patch = config.patch_size.unwrap_or(1).max(1) as u64;
    let frames = if first { 1 } else { 4 };
    let plane = size.area() / (patch * patch);
    let widths: Vec<_> = config.dim_mult.iter().map(|mult| (config.base_dim * mult) as u64).collect();
    let mut before = config.base_dim as u64;
    let mut walk = Walk { plane, frames, peak: 0, shortcut_bytes: 0, caches: 0, work: 0 };
    walk.causal_conv([config.in_channels as u64, before], 0);
    for (index, &outputs) in widths.iter().enumerate() {
        walk.shortcut_bytes = if config.is_residual { walk.bytes(before) } else { 0 };
        for block in 0..config.num_res_blocks {
            walk.residual([if block == 0 { before } else { outputs }, outputs]);
        }
        before = outputs;
        if index + 1 == widths.len() {
            break;
        }
        walk.plane /= 4;
        walk.frame_conv([outputs; 2]);
        if config.temperal_downsample.get(index).copied().unwrap_or(false) {
            walk.time_conv(outputs, 1);
            walk.frames = walk.frames.div_ceil(2);
        }
    }
    walk.shortcut_bytes = 0;
    walk.middle(before);
    walk.causal_conv([before, 2 * config.z_dim as u64], 0);
    walk.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ComputeType, Weights};
    use crate::wan::graphs::vae_decoder;

    #[test]
    fn making_a_session_in_bands_takes_more_than_it_keeps() {
        let config: VaeConfig = serde_json::from_str(
            r#"{"base_dim": 160, "decoder_base_dim": 256, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "z_dim": 48,
                "temperal_downsample": [false, true, true], "is_residual": true, "in_channels": 12, "out_channels": 12,
                "latents_mean": [], "latents_std": [], "attn_scales": [], "patch_size": 2, "scale_factor_spatial": 16,
                "scale_factor_temporal": 4}"#,
        )
        .unwrap();
        let chunk = |call, is_half| decoder_chunk_in_bands(&config, [16, 16], call, is_half);
        let mib = |bytes: u64| bytes >> 20;
        // anonymous memory of TI2V-5B's decoder in bf16 at 256x256, measured: 3.1 GiB while the session of later calls
        // is made, and 1.7 GiB for that of the first
        assert!(
            (3250..3400).contains(&mib(chunk(StreamCall::Later, true).making)),
            "{:?}",
            chunk(StreamCall::Later, true)
        );
        assert!(
            (1600..1750).contains(&mib(chunk(StreamCall::First, true).making)),
            "{:?}",
            chunk(StreamCall::First, true)
        );
        for call in [StreamCall::First, StreamCall::Later] {
            let [half, full] = [true, false].map(|is_half| chunk(call, is_half));
            assert!(half.making > full.making && full.making > full.weights, "{half:?} {full:?}");
        }
    }

    #[test]
    fn the_caches_are_those_of_the_graph() {
        for model in ["tiny-t2v", "tiny-ti2v"] {
            let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
            let dir = dir.join(model).join("vae");
            let config: VaeConfig =
                serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
            let weights = Weights::open(&dir, "diffusion_pytorch_model").unwrap();
            let graph = vae_decoder(&config, &weights, ComputeType::Fp32).unwrap();
            let of_graph = graph
                .caches
                .iter()
                .map(|cache| ((cache.channels * cache.frames) as u64 * F32) << (2 * cache.level));
            assert_eq!(decoder_chunk(&config, 1, false).caches, of_graph.sum::<u64>(), "{model}");
        }
    }
}
