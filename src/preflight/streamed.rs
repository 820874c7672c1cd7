//! What is held of weights that are streamed, a block at a time.

use super::size::ComponentSize;
use crate::wan::{TextEncoderConfig, TransformerConfig};

/// Bytes of an fp32 value.
const F32: u64 = 4;
/// Blocks whose weights are held at once: one computes, one is read.
const SLOTS: u64 = 2;

/// The weights of a component before and behind its blocks, which stay loaded, and the number of its blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Values that are computed in fp32.
    wide: u64,
    /// Values in the type that computes.
    narrow: u64,
    layers: u64,
}

impl Ends {
    pub(super) fn of_transformer(config: &TransformerConfig) -> Self {
        let width = config.width() as u64;
        let projections = 6 * width * width + config.text_dim as u64 * width + width * width;
        let patch: u64 = config.patch_size.iter().map(|&side| side as u64).product();
        let patches = patch * (config.in_channels + config.channels_out()) as u64 * width;
        // the embedding of the timestep is computed in fp32
        let wide = config.freq_dim as u64 * width + width * width;
        Self { wide, narrow: projections + patches, layers: config.num_layers.max(1) as u64 }
    }

    /// Those of the text encoder, without its embedding table.
    pub(super) fn of_text_encoder(config: &TextEncoderConfig) -> Self {
        Self { wide: config.d_model as u64, narrow: 0, layers: config.num_layers.max(1) as u64 }
    }

    /// Bytes that a GPU holds of `all` bytes of weights, if those of 16 or 32 bits take `value_bytes` each.
    pub(super) fn held_on_gpu(&self, all: u64, value_bytes: u64) -> u64 {
        let held = self.wide * F32 + self.narrow * value_bytes;
        (held + all.saturating_sub(held) * SLOTS / self.layers).min(all)
    }

    /// Bytes that the CPU holds: blocks as they are stored, and what is converted to fp32 of the one that computes.
    pub(super) fn held_on_cpu(&self, component: ComponentSize) -> u64 {
        let loaded = component.loaded.0;
        let held = ((self.wide + self.narrow) * F32).min(loaded);
        let blocks = loaded - held;
        let stored = (blocks as f64 * component.stored.0 as f64 / loaded.max(1) as f64) as u64;
        let converted = (loaded - component.mapped.0.min(loaded)).min(blocks);
        held + (stored * SLOTS + converted) / self.layers
    }
}
