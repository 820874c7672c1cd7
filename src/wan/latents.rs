//! Means and deviations of latents, which the official VAEs have in code instead of their weights.

use super::config::VaeConfig;

/// Mean of each latent channel of Wan 2.2's VAE (`wan/modules/vae2_2.py`).
const MEAN_2_2: [f32; 48] = [
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
];
/// Standard deviations of the latent channels of Wan 2.2's VAE (`wan/modules/vae2_2.py`).
const STD_2_2: [f32; 48] = [
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885,
    0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338,
    0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458,
    1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
];

/// Means and standard deviations of the latents of the official VAE with `channels` latent channels.
pub(super) fn official(channels: usize) -> Option<(Vec<f32>, Vec<f32>)> {
    let config = match channels {
        16 => VaeConfig::default(),
        48 => VaeConfig::wan_2_2(),
        _ => return None,
    };
    Some((config.latents_mean, config.latents_std))
}

impl VaeConfig {
    /// The configuration of Wan 2.2's VAE, used by the 5B model (`wan/modules/vae2_2.py`).
    pub fn wan_2_2() -> Self {
        Self {
            base_dim: 160,
            decoder_base_dim: Some(256),
            z_dim: 48,
            is_residual: true,
            patch_size: Some(2),
            in_channels: 12,
            out_channels: 12,
            latents_mean: MEAN_2_2.to_vec(),
            latents_std: STD_2_2.to_vec(),
            scale_factor_spatial: 16,
            ..Self::default()
        }
    }
}
