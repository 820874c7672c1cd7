//! Chooses how the VAE takes an image by the longest operation of the VAE decoder.

use super::config::VaeConfig;
use crate::core::{Provider, Resolution};

/// Maximum multiplications and additions of one operation on an automatic tile: half a second to a second on two
/// cores, which is how long a cancel waits.
const MAX_OPERATION: u64 = 400_000_000_000;
/// Minimum size of an automatic tile in pixels; smaller ones spend more on overlaps than on the image.
const MIN_SIZE: u32 = 128;

/// One level of the decoder.
struct Level {
    /// Input channels.
    inputs: u64,
    /// Output channels of its residual blocks.
    outputs: u64,
    /// Output channels of its upsampler, if it has one.
    grown: Option<u64>,
    /// Frames per call.
    frames: u64,
    /// Whether its upsampler doubles the number of frames.
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

/// Multiplications and additions of the largest convolution per pixel of the image.
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

/// How the VAE takes an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaeSplit {
    /// In one piece.
    #[default]
    Whole,
    /// Each layer in bands of rows, with the numbers of one piece.
    Bands,
    /// In overlapping tiles of this many pixels on each side, which are blended.
    Tiles(u32),
}

impl VaeSplit {
    /// Size of a tile in pixels; none without tiles.
    pub fn tile(self) -> Option<u32> {
        match self {
            Self::Tiles(tile) => Some(tile),
            Self::Whole | Self::Bands => None,
        }
    }
}

/// How `provider` computes the VAE for an image of `size`, if the memory suffices: in tiles if that is `asked` for. On the
/// CPU an image is otherwise computed in bands if one operation on all of it would take too long to wait for on a cancel.
///
/// The choice depends on size, model and provider only, so that the same request gives the same video.
pub fn split(config: &VaeConfig, size: Resolution, asked: Option<u32>, provider: Provider) -> VaeSplit {
    match asked.and_then(|asked| tile_size(config, size, Some(asked))) {
        Some(tile) => VaeSplit::Tiles(tile),
        None if provider == Provider::Cpu && is_large(config, size) => VaeSplit::Bands,
        None => VaeSplit::Whole,
    }
}

/// Area in pixels of an image on which the longest operation takes as long as a cancel may.
fn max_area(config: &VaeConfig) -> f64 {
    MAX_OPERATION as f64 / longest_operation(config).max(1) as f64
}

fn is_large(config: &VaeConfig, size: Resolution) -> bool {
    size.area() as f64 > max_area(config)
}

/// Size in pixels of the VAE tiles for an image of `size`; `None` if a tile would hold all of it.
///
/// A size that was asked for is rounded down to whole cells. Otherwise an image is split if one operation on all of it
/// would take too long to wait for on a cancel.
pub fn tile_size(config: &VaeConfig, size: Resolution, asked: Option<u32>) -> Option<u32> {
    let cell = config.scale_factor_spatial.max(1);
    let edge = asked.map_or_else(
        || {
            if is_large(config, size) { (max_area(config).sqrt() as u32).max(MIN_SIZE) } else { u32::MAX }
        },
        |asked| asked.max(2 * cell),
    );
    (edge < size.width.max(size.height)).then_some(edge / cell * cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_tiled_and_small_ones_are_not() {
        let (old, new) = (VaeConfig::default(), VaeConfig::wan_2_2());
        for (config, width, height, expected) in [
            (&new, 224, 224, None),
            (&new, 832, 480, Some(224)),
            (&new, 1280, 704, Some(224)),
            (&old, 416, 240, None),
            (&old, 832, 480, Some(448)),
        ] {
            assert_eq!(tile_size(config, Resolution::new(width, height), None), expected, "{width}x{height}");
        }
        let size = Resolution::new(832, 480);
        assert_eq!(tile_size(&new, size, Some(256)), Some(256));
        assert_eq!(tile_size(&new, size, Some(264)), Some(256));
        assert_eq!(tile_size(&new, size, Some(832)), None);
    }

    #[test]
    fn the_cpu_computes_large_images_in_bands_unless_tiles_are_asked_for() {
        let new = VaeConfig::wan_2_2();
        for (width, height, asked, provider, expected) in [
            (224, 224, None, Provider::Cpu, VaeSplit::Whole),
            (832, 480, None, Provider::Cpu, VaeSplit::Bands),
            (832, 480, Some(256), Provider::Cpu, VaeSplit::Tiles(256)),
            (832, 480, Some(1024), Provider::Cpu, VaeSplit::Bands),
            (832, 480, None, Provider::Cuda, VaeSplit::Whole),
            (832, 480, Some(256), Provider::Cuda, VaeSplit::Tiles(256)),
            (832, 480, Some(1024), Provider::Cuda, VaeSplit::Whole),
        ] {
            let found = split(&new, Resolution::new(width, height), asked, provider);
            assert_eq!(found, expected, "{width}x{height} {asked:?} {provider}");
        }
    }
}
