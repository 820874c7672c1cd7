//! What one pass of a video autoencoder's decoder costs, from its configuration alone: memory and the longest operation.
//!
//! From these follow the tiles a picture is cut into and what a preflight can promise. It must agree with what
//! [`super::graphs::vae_decoder`] builds; a test compares the caches.

use super::config::VaeConfig;
use super::graphs::CacheSpec;
use super::tiles::Tiling;
use crate::core::{Bytes, Resolution};

/// Bytes of a value.
const F32: u64 = 4;
/// Multiplications and additions that one operation of an automatic tile takes at most: half a second to a second on
/// two cores, which is how long a cancel waits for it.
const LONGEST: u64 = 400_000_000_000;
/// The smallest edge of an automatic tile in pixels; below, more is spent on what overlaps than on the picture.
const LEAST: u32 = 128;

/// A share of one part in so many is added for what lies between the blocks of memory. Measured with the 5B model's
/// shapes (anonymous memory grown by the decode): 832x480 in tiles of 224 pixels 5.8 GiB, where the sum is 4.6 GiB;
/// 416x256 whole 2.3 GiB, where it is 2.2 GiB.
const SLACK: u64 = 3;

/// One level of the decoder.
struct Level {
    /// Channels that come in.
    inputs: u64,
    /// Channels that go out of its residual blocks.
    outputs: u64,
    /// Channels after it is made larger; none if it is not.
    grown: Option<u64>,
    /// Frames of a chunk.
    frames: u64,
    /// Whether frames are doubled at its end.
    doubles_time: bool,
}

fn levels(config: &VaeConfig) -> Vec<Level> {
    let base = config.decoder_base_dim.unwrap_or(config.base_dim);
    let count = config.dim_mult.len();
    let mut before = base * config.dim_mult.last().copied().unwrap_or(1);
    let mut frames = 1;
    let level = |(index, mult): (usize, &usize)| {
        let outputs = base * mult;
        let inputs = if index > 0 && !config.is_residual { before / 2 } else { before };
        before = outputs;
        let grows = index + 1 < count;
        let doubles_time =
            grows && config.temperal_downsample.iter().rev().nth(index).copied().unwrap_or(false);
        let grown = if config.is_residual { outputs } else { outputs / 2 };
        let level = Level {
            inputs: inputs as u64,
            outputs: outputs as u64,
            grown: grows.then_some(grown as u64),
            frames,
            doubles_time,
        };
        frames *= if doubles_time { 2 } else { 1 };
        level
    };
    config.dim_mult.iter().rev().enumerate().map(level).collect()
}

/// The decoder's caches, in the order of its graph.
pub fn decoder_caches(config: &VaeConfig) -> Vec<CacheSpec> {
    let levels = levels(config);
    let cache = |channels: u64, level: usize| CacheSpec {
        channels: channels as usize,
        frames: 2,
        level: level as u32,
    };
    let top = levels.first().map_or(0, |level| level.inputs);
    let mut caches = vec![cache(config.z_dim as u64, 0)];
    caches.extend([top; 4].map(|channels| cache(channels, 0)));
    for (index, level) in levels.iter().enumerate() {
        for block in 0..=config.num_res_blocks {
            caches.push(cache(if block == 0 { level.inputs } else { level.outputs }, index));
            caches.push(cache(level.outputs, index));
        }
        if level.doubles_time {
            caches.push(cache(level.outputs, index));
        }
    }
    caches.extend(levels.last().map(|level| cache(level.outputs, levels.len() - 1)));
    caches
}

/// Bytes of the caches for each latent cell of a tile.
fn cache_bytes(config: &VaeConfig) -> u64 {
    let of = |cache: &CacheSpec| ((cache.channels * cache.frames) as u64 * F32) << (2 * cache.level);
    decoder_caches(config).iter().map(of).sum()
}

/// Bytes for each latent cell of what is alive at once while a chunk is computed, caches aside.
///
/// In a residual block: its input, the shortcut, the normalised input and the same joined with two earlier frames. Where
/// a picture is made larger: what goes in, what comes out of the convolution, and the shortcut before and after it is
/// put in order.
fn activation_bytes(config: &VaeConfig) -> u64 {
    let of = |(index, level): (usize, Level)| {
        let Level { inputs, outputs, grown, frames, doubles_time } = level;
        let block = inputs * frames * 2 + inputs * (frames + 2) + outputs * frames;
        let later = if doubles_time { 2 * frames } else { frames };
        let growth = grown.map_or(0, |grown| 4 * later * (outputs.max(grown) + 2 * grown));
        (block.max(growth) * F32) << (2 * index)
    };
    levels(config).into_iter().enumerate().map(of).max().unwrap_or_default()
}

/// Multiplications and additions of the largest convolution, for each pixel of the picture.
fn longest_operation(config: &VaeConfig) -> u64 {
    let of = |(index, level): (usize, Level)| {
        let Level { inputs, outputs, grown, frames, doubles_time } = level;
        let block = 2 * 27 * inputs.max(outputs) * outputs * frames;
        let later = if doubles_time { 2 * frames } else { frames };
        let growth = grown.map_or(0, |grown| 2 * 9 * outputs * grown * later * 4);
        block.max(growth) << (2 * index)
    };
    let cell = levels(config).into_iter().enumerate().map(of).max().unwrap_or_default();
    cell / u64::from(config.scale_factor_spatial).pow(2).max(1)
}

/// The edge in pixels of the tiles for a picture of `size`; none if it stays in one piece.
///
/// What was `asked` for wins, in whole cells. Else a picture is cut where one operation over all of it would take too
/// long to wait for. That depends on nothing but the size and the model, so that the same request gives the same video.
pub fn tile_edge(config: &VaeConfig, size: Resolution, asked: Option<u32>) -> Option<u32> {
    let cell = config.scale_factor_spatial.max(1);
    let edge = asked.map_or_else(
        || {
            let area = LONGEST as f64 / longest_operation(config).max(1) as f64;
            if size.area() as f64 <= area { u32::MAX } else { (area.sqrt() as u32).max(LEAST) }
        },
        |asked| asked.max(2 * cell),
    );
    (edge < size.width.max(size.height)).then_some(edge / cell * cell)
}

/// The memory that decoding a video of `size` takes beside the VAE's weights, in tiles of `tile` pixels or whole.
///
/// It does not grow with the number of frames: the caches of all tiles, those of one tile twice, what is alive while it
/// is computed, and one chunk of frames.
pub fn decode_bytes(config: &VaeConfig, size: Resolution, tile: Option<u32>) -> Bytes {
    let cell = config.scale_factor_spatial.max(1);
    let cells = [size.height / cell, size.width / cell].map(|side| side as usize);
    let tiling = Tiling::new(cells, tile.map(|edge| (edge / cell) as usize));
    let tile = tiling.tile().into_iter().product::<usize>() as u64;
    let caches = cache_bytes(config) * tile * (tiling.count() as u64 + 1);
    let frames = size.area() * u64::from(config.scale_factor_temporal) * 3 * (F32 + 1);
    let exact = caches + activation_bytes(config) * tile + frames;
    Bytes(exact + exact / SLACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wan 2.2's.
    fn vae_2_2() -> VaeConfig {
        VaeConfig {
            base_dim: 160,
            decoder_base_dim: Some(256),
            z_dim: 48,
            is_residual: true,
            patch_size: Some(2),
            in_channels: 12,
            out_channels: 12,
            temperal_downsample: vec![false, true, true],
            scale_factor_spatial: 16,
            ..VaeConfig::default()
        }
    }

    #[test]
    fn large_pictures_are_cut_and_small_ones_are_not() {
        let (old, new) = (VaeConfig::default(), vae_2_2());
        for (config, width, height, expected) in [
            (&new, 224, 224, None),
            (&new, 832, 480, Some(224)),
            (&new, 1280, 704, Some(224)),
            (&old, 416, 240, None),
            (&old, 832, 480, Some(448)),
        ] {
            assert_eq!(tile_edge(config, Resolution::new(width, height), None), expected, "{width}x{height}");
        }
        let size = Resolution::new(832, 480);
        assert_eq!(tile_edge(&new, size, Some(256)), Some(256));
        assert_eq!(tile_edge(&new, size, Some(264)), Some(256));
        assert_eq!(tile_edge(&new, size, Some(832)), None);
    }

    #[test]
    fn tiles_need_less_memory_though_their_caches_overlap() {
        let size = Resolution::new(832, 480);
        let [whole, half, small] =
            [None, Some(256), Some(128)].map(|tile| decode_bytes(&vae_2_2(), size, tile).0 >> 20);
        assert!(whole > half + half / 2, "{whole} {half} {small} MiB");
        // smaller ones no more: what they save while one is computed, all of them keep in their caches
        assert!(small > half && small < half + half / 8, "{whole} {half} {small} MiB");
    }
    #[test]
    fn the_caches_are_those_of_the_graph() {
        for model in ["tiny-t2v", "tiny-ti2v"] {
            let dir =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(model);
            let dir = dir.join("vae");
            let config: VaeConfig =
                serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
            let weights = crate::onnx::Weights::open(&dir, "diffusion_pytorch_model").unwrap();
            let graph =
                super::super::graphs::vae_decoder(&config, &weights, crate::onnx::Compute::Fp32).unwrap();
            assert_eq!(decoder_caches(&config), graph.caches, "{model}");
        }
    }
}
