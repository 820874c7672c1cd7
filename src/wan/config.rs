//! The `config.json` files of a diffusers folder, as far as the graphs use them.

use serde::Deserialize;

/// `transformer/config.json` (`WanTransformer3DModel`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TransformerConfig {
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of an attention head.
    pub attention_head_dim: usize,
    /// Input channels: 16, 36 with image conditioning, 48 for the 5B model.
    pub in_channels: usize,
    /// Output channels, the VAE's `z_dim`; `in_channels` if null.
    pub out_channels: Option<usize>,
    /// Width of the prompt embeddings.
    pub text_dim: usize,
    /// Width of the sinusoidal timestep embedding.
    pub freq_dim: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_dim: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// Latent cells per token in time, height and width.
    pub patch_size: [usize; 3],
    /// Whether there is an affine norm before cross-attention.
    #[serde(default = "yes")]
    pub cross_attn_norm: bool,
    /// Epsilon of all norms.
    #[serde(default = "default_eps")]
    pub eps: f32,
    /// Positions per axis of the rotary embedding.
    #[serde(default = "default_positions")]
    pub rope_max_seq_len: u32,
}

impl TransformerConfig {
    /// Width of the residual stream.
    pub fn width(&self) -> usize {
        self.num_attention_heads * self.attention_head_dim
    }

    /// Output channels.
    pub fn channels_out(&self) -> usize {
        self.out_channels.unwrap_or(self.in_channels)
    }
}

/// `config.json` beside a transformer with original names (`WanModel`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct OriginalConfig {
    /// Width of the residual stream.
    pub dim: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_dim: usize,
    /// Width of the sinusoidal timestep embedding.
    pub freq_dim: usize,
    /// Input channels.
    pub in_dim: usize,
    /// Output channels.
    pub out_dim: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// Epsilon of all norms.
    #[serde(default = "default_eps")]
    pub eps: f32,
}

impl OriginalConfig {
    /// Converts it to diffusers' form; `text_dim` is not in the file.
    pub fn transformer(&self, text_dim: usize) -> TransformerConfig {
        TransformerConfig {
            num_attention_heads: self.num_heads,
            attention_head_dim: self.dim / self.num_heads.max(1),
            in_channels: self.in_dim,
            out_channels: Some(self.out_dim),
            text_dim,
            freq_dim: self.freq_dim,
            ffn_dim: self.ffn_dim,
            num_layers: self.num_layers,
            patch_size: [1, 2, 2],
            cross_attn_norm: true,
            eps: self.eps,
            rope_max_seq_len: default_positions(),
        }
    }
}

/// `vae/config.json` (`AutoencoderKLWan`); missing keys have diffusers' defaults, which are those of Wan 2.1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Width of the first encoder level.
    pub base_dim: usize,
    /// Width of the last decoder level; `base_dim` if null.
    pub decoder_base_dim: Option<usize>,
    /// Latent channels.
    pub z_dim: usize,
    /// Width of each level relative to `base_dim`.
    pub dim_mult: Vec<usize>,
    /// Residual blocks per level.
    pub num_res_blocks: usize,
    /// Which levels halve the number of frames, in the encoder's order (the key has this spelling).
    pub temperal_downsample: Vec<bool>,
    /// Whether whole levels have shortcuts (VAE 2.2).
    pub is_residual: bool,
    /// Side of the pixel blocks folded into channels before the encoder (VAE 2.2: 2).
    pub patch_size: Option<usize>,
    /// Channels of the encoder's input, after folding.
    pub in_channels: usize,
    /// Channels of the decoder's output, before unfolding.
    pub out_channels: usize,
    /// Mean of each latent channel.
    pub latents_mean: Vec<f32>,
    /// Standard deviation of each latent channel.
    pub latents_std: Vec<f32>,
    /// Frames per latent frame after the first.
    pub scale_factor_temporal: u32,
    /// Pixels per latent cell.
    pub scale_factor_spatial: u32,
}

/// Means of the latent channels of Wan 2.1's VAE (`wan/modules/vae2_1.py`), diffusers' default.
const MEAN_2_1: [f32; 16] = [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
    -0.1922, -0.9497, 0.2503, -0.2921,
];
/// Standard deviations of the latent channels of Wan 2.1's VAE (`wan/modules/vae2_1.py`), diffusers' default.
const STD_2_1: [f32; 16] = [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382,
    1.1253, 2.8251, 1.9160,
];

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            base_dim: 96,
            decoder_base_dim: None,
            z_dim: 16,
            dim_mult: vec![1, 2, 4, 4],
            num_res_blocks: 2,
            temperal_downsample: vec![false, true, true],
            is_residual: false,
            patch_size: None,
            in_channels: 3,
            out_channels: 3,
            latents_mean: MEAN_2_1.to_vec(),
            latents_std: STD_2_1.to_vec(),
            scale_factor_temporal: 4,
            scale_factor_spatial: 8,
        }
    }
}

/// `text_encoder/config.json` (`UMT5EncoderModel`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TextEncoderConfig {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of an attention head.
    pub d_kv: usize,
    /// Inner width of the feed-forward layers.
    pub d_ff: usize,
    /// Number of blocks.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Buckets of the relative position bias.
    pub relative_attention_num_buckets: usize,
    /// Distance beyond which all positions share a bucket.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    /// Epsilon of all norms.
    pub layer_norm_epsilon: f32,
}

/// `model_index.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ModelIndex {
    /// diffusers' pipeline class, `WanPipeline` or `WanImageToVideoPipeline`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Fraction of the 1000 timesteps above which the high-noise expert runs; null for a single transformer.
    #[serde(default)]
    pub boundary_ratio: Option<f32>,
    /// Whether each token has its own timestep (ti2v-5B).
    #[serde(default)]
    pub expand_timesteps: bool,
    /// Whether LoRAs may be applied; false by default for ti2v-5B. An extension of this program that diffusers ignores.
    #[serde(default, rename = "_lora")]
    pub lora: Option<bool>,
}

fn yes() -> bool {
    true
}

fn default_eps() -> f32 {
    1e-6
}

fn default_positions() -> u32 {
    1024
}

fn default_distance() -> usize {
    128
}
