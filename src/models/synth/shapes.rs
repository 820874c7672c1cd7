//! Configurations of the official models.

use crate::core::Mode;
use crate::wan::{TextEncoderConfig, TransformerConfig, VaeConfig};

/// An official Wan 2.2 model whose names and shapes a synthetic checkpoint uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynthModel {
    /// Text to video, two experts.
    T2vA14b,
    /// Image to video, two experts.
    I2vA14b,
    /// Text or image to video, one transformer.
    Ti2v5b,
}

/// Configurations of a model's components.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// The model's main mode.
    pub mode: Mode,
    /// The transformer, or both experts.
    pub transformer: TransformerConfig,
    /// The text encoder.
    pub text_encoder: TextEncoderConfig,
    /// The video autoencoder.
    pub vae: VaeConfig,
}

impl Shapes {
    /// The configurations of an official model (`wan/configs`).
    pub fn official(like: SynthModel) -> Self {
        let (mode, width, ffn_dim, num_layers, [input, output]) = match like {
            SynthModel::T2vA14b => (Mode::T2V, 5120, 13824, 40, [16, 16]),
            SynthModel::I2vA14b => (Mode::I2V, 5120, 13824, 40, [36, 16]),
            SynthModel::Ti2v5b => (Mode::TI2V, 3072, 14336, 30, [48, 48]),
        };
        let transformer = TransformerConfig {
            num_attention_heads: width / 128,
            attention_head_dim: 128,
            in_channels: input,
            out_channels: Some(output),
            text_dim: 4096,
            freq_dim: 256,
            ffn_dim,
            num_layers,
            patch_size: [1, 2, 2],
            cross_attn_norm: true,
            eps: 1e-6,
            rope_max_seq_len: 1024,
        };
        let text_encoder = TextEncoderConfig {
            vocab_size: 256_384,
            d_model: 4096,
            d_kv: 64,
            d_ff: 10240,
            num_layers: 24,
            num_heads: 64,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 1e-6,
        };
        let vae = if like == SynthModel::Ti2v5b { VaeConfig::wan_2_2() } else { VaeConfig::default() };
        Self { mode, transformer, text_encoder, vae }
    }

    /// Number of transformers: two experts, or one for ti2v-5B.
    pub fn num_experts(&self) -> usize {
        if self.mode == Mode::TI2V { 1 } else { 2 }
    }
}
