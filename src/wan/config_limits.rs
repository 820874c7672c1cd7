//! Ranges of the numbers in configurations, which decide the size of everything that is built from them.

use super::config::{ModelIndex, OriginalConfig, TextEncoderConfig, TransformerConfig, VaeConfig};

/// Widest layer and longest table: sixty times those of Wan's largest models.
const MAX_WIDTH: usize = 1 << 24;
/// Most blocks of a network; Wan's largest has 40.
const MAX_LAYERS: usize = 1024;
/// Most attention heads.
const MAX_HEADS: usize = 4096;
/// Longest side of a patch of latent cells, and of a pixel block.
const MAX_PATCH: usize = 64;
/// Most levels of a VAE, each of which may halve the sides.
const MAX_LEVELS: usize = 8;
/// Most latent channels.
const MAX_CHANNELS: usize = 4096;

/// A configuration with limits.
pub trait CheckConfig {
    /// Fails with a sentence about the first number out of its range.
    fn check(&self) -> Result<(), String>;
}

fn within(name: &str, value: usize, max: usize) -> Result<(), String> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}, and must be from 1 to {max}"))
}

fn positive(name: &str, value: f32) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(format!("{name} is {value}, and must be a positive number"))
}

impl CheckConfig for TransformerConfig {
    fn check(&self) -> Result<(), String> {
        within("num_attention_heads", self.num_attention_heads, MAX_HEADS)?;
        within("attention_head_dim", self.attention_head_dim, MAX_WIDTH / MAX_HEADS)?;
        within("in_channels", self.in_channels, MAX_CHANNELS)?;
        within("out_channels", self.channels_out(), MAX_CHANNELS)?;
        within("text_dim", self.text_dim, MAX_WIDTH)?;
        within("freq_dim", self.freq_dim, MAX_WIDTH)?;
        within("ffn_dim", self.ffn_dim, MAX_WIDTH)?;
        within("num_layers", self.num_layers, MAX_LAYERS)?;
        self.patch_size.iter().try_for_each(|&side| within("patch_size", side, MAX_PATCH))?;
        within("rope_max_seq_len", self.rope_max_seq_len as usize, MAX_WIDTH)?;
        positive("eps", self.eps)
    }
}

impl CheckConfig for OriginalConfig {
    fn check(&self) -> Result<(), String> {
        within("dim", self.dim, MAX_WIDTH)?;
        within("ffn_dim", self.ffn_dim, MAX_WIDTH)?;
        within("freq_dim", self.freq_dim, MAX_WIDTH)?;
        within("in_dim", self.in_dim, MAX_CHANNELS)?;
        within("out_dim", self.out_dim, MAX_CHANNELS)?;
        within("num_heads", self.num_heads, MAX_HEADS)?;
        within("num_layers", self.num_layers, MAX_LAYERS)?;
        positive("eps", self.eps)
    }
}

impl CheckConfig for TextEncoderConfig {
    fn check(&self) -> Result<(), String> {
        within("vocab_size", self.vocab_size, MAX_WIDTH)?;
        within("d_model", self.d_model, MAX_WIDTH)?;
        within("d_kv", self.d_kv, MAX_WIDTH)?;
        within("d_ff", self.d_ff, MAX_WIDTH)?;
        within("num_layers", self.num_layers, MAX_LAYERS)?;
        within("num_heads", self.num_heads, MAX_HEADS)?;
        within("relative_attention_num_buckets", self.relative_attention_num_buckets, MAX_CHANNELS)?;
        within("relative_attention_max_distance", self.relative_attention_max_distance, MAX_WIDTH)?;
        positive("layer_norm_epsilon", self.layer_norm_epsilon)
    }
}

impl CheckConfig for VaeConfig {
    fn check(&self) -> Result<(), String> {
        within("base_dim", self.base_dim, MAX_WIDTH)?;
        self.decoder_base_dim.map_or(Ok(()), |dim| within("decoder_base_dim", dim, MAX_WIDTH))?;
        within("z_dim", self.z_dim, MAX_CHANNELS)?;
        within("the number of levels in dim_mult", self.dim_mult.len(), MAX_LEVELS)?;
        self.dim_mult.iter().try_for_each(|&mult| within("dim_mult", mult, MAX_CHANNELS))?;
        within("num_res_blocks", self.num_res_blocks, MAX_LAYERS)?;
        self.patch_size.map_or(Ok(()), |side| within("patch_size", side, MAX_PATCH))?;
        within("in_channels", self.in_channels, MAX_CHANNELS)?;
        within("out_channels", self.out_channels, MAX_CHANNELS)?;
        within("scale_factor_temporal", self.scale_factor_temporal as usize, 1 << MAX_LEVELS)?;
        within("scale_factor_spatial", self.scale_factor_spatial as usize, MAX_PATCH << MAX_LEVELS)?;
        if let Some(bad) = self.latents_mean.iter().find(|mean| !mean.is_finite()) {
            return Err(format!("latents_mean has {bad}, and must have numbers"));
        }
        self.latents_std.iter().try_for_each(|&deviation| positive("latents_std", deviation))
    }
}

impl CheckConfig for ModelIndex {
    fn check(&self) -> Result<(), String> {
        match self.boundary_ratio {
            Some(ratio) if !(0.0..=1.0).contains(&ratio) => {
                Err(format!("boundary_ratio is {ratio}, and must be from 0 to 1"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let vae = VaeConfig::default();
        assert_eq!(vae.check(), Ok(()));
        for (name, bad) in [
            ("base_dim", VaeConfig { base_dim: 1 << 63, ..vae.clone() }),
            ("z_dim", VaeConfig { z_dim: 1 << 40, ..vae.clone() }),
            ("dim_mult", VaeConfig { dim_mult: Vec::new(), ..vae.clone() }),
            ("patch_size", VaeConfig { patch_size: Some(0), ..vae.clone() }),
            ("scale_factor_spatial", VaeConfig { scale_factor_spatial: 0, ..vae.clone() }),
            ("scale_factor_temporal", VaeConfig { scale_factor_temporal: 0, ..vae.clone() }),
            ("latents_std", VaeConfig { latents_std: vec![0.0], ..vae }),
        ] {
            assert!(bad.check().unwrap_err().contains(name), "{name}");
        }
    }
}
