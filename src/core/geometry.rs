//! Conversions between the size of a video, its latent and its tokens.

use super::units::{FrameCount, Resolution};

/// Downscaling factors of the VAE and the patch embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// Frames per latent frame after the first (`scale_factor_temporal`, 4 for Wan).
    pub temporal: u32,
    /// Pixels per latent cell (`scale_factor_spatial`, 8 for VAE 2.1, 16 for VAE 2.2).
    pub spatial: u32,
    /// Latent cells per token (`patch_size[1]`, 2 for Wan).
    pub patch: u32,
}

/// Shape of a latent video `[1, channels, frames, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentShape {
    /// `z_dim` of the VAE.
    pub channels: usize,
    /// `(frames - 1) / temporal + 1`.
    pub frames: usize,
    /// Video height over the spatial stride.
    pub height: usize,
    /// Video width over the spatial stride.
    pub width: usize,
}

impl Strides {
    /// The number of pixels that width and height must be multiples of.
    pub fn size_multiple(self) -> u32 {
        self.spatial * self.patch
    }

    /// The size with the aspect ratio of `image` and about as many pixels as `like`, rounded to whole tokens
    /// (`generate.py` and `best_output_size` of the official code, which differ by one token at most).
    pub fn size_like(self, like: Resolution, image: Resolution) -> Resolution {
        let area = f64::from(like.width) * f64::from(like.height);
        let ratio = f64::from(image.height.max(1)) / f64::from(image.width.max(1));
        let step = f64::from(self.size_multiple());
        let whole = |side: f64| ((side / step).round().max(1.0) * step) as u32;
        Resolution::new(whole((area / ratio).sqrt()), whole((area * ratio).sqrt()))
    }

    /// The nearest frame counts of the form `temporal * n + 1`, at or below `frames` and at or above it.
    pub fn nearest_frames(self, frames: FrameCount) -> (FrameCount, FrameCount) {
        let below = frames.0.saturating_sub(1) / self.temporal * self.temporal + 1;
        let above = if below == frames.0 { below } else { below.saturating_add(self.temporal) };
        (FrameCount(below), FrameCount(above))
    }

    /// The latent shape of a video. `size` must be a multiple of [`Self::size_multiple`], `frames` of the form
    /// `temporal * n + 1`.
    pub fn latent(self, channels: usize, size: Resolution, frames: FrameCount) -> LatentShape {
        debug_assert_eq!(frames.0 % self.temporal, 1 % self.temporal, "GenRequest::parse checks frames");
        LatentShape {
            channels,
            frames: ((frames.0 - 1) / self.temporal + 1) as usize,
            height: (size.height / self.spatial) as usize,
            width: (size.width / self.spatial) as usize,
        }
    }
}

impl LatentShape {
    /// The tensor shape `[1, channels, frames, height, width]`.
    pub fn dims(self) -> [usize; 5] {
        [1, self.channels, self.frames, self.height, self.width]
    }

    /// Number of transformer tokens with a spatial patch size of `patch`.
    pub fn tokens(self, patch: usize) -> usize {
        self.frames * (self.height / patch) * (self.width / patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAE_2_1: Strides = Strides { temporal: 4, spatial: 8, patch: 2 };
    const VAE_2_2: Strides = Strides { temporal: 4, spatial: 16, patch: 2 };

    #[test]
    fn latents_and_tokens_of_the_official_sizes() {
        // (strides, channels, size, frames) -> (T, H, W), tokens
        let table = [
            (VAE_2_1, 16, Resolution::new(832, 480), 81, (21, 60, 104), 32_760),
            (VAE_2_1, 16, Resolution::new(1280, 720), 81, (21, 90, 160), 75_600),
            (VAE_2_2, 48, Resolution::new(1280, 704), 121, (31, 44, 80), 27_280),
            (VAE_2_2, 48, Resolution::new(832, 480), 121, (31, 30, 52), 12_090),
            (VAE_2_1, 16, Resolution::new(64, 64), 1, (1, 8, 8), 16),
        ];
        for (strides, channels, size, frames, (t, h, w), tokens) in table {
            let latent = strides.latent(channels, size, FrameCount(frames));
            assert_eq!(latent.dims(), [1, channels, t, h, w]);
            assert_eq!(latent.tokens(2), tokens);
        }
        assert_eq!((VAE_2_1.size_multiple(), VAE_2_2.size_multiple()), (16, 32));
    }

    #[test]
    fn sizes_follow_the_aspect_ratio_of_the_image() {
        let hd = Resolution::new(1280, 720);
        for (image, expected) in [
            (Resolution::new(1920, 1080), Resolution::new(1280, 720)),
            (Resolution::new(1080, 1920), Resolution::new(720, 1280)),
            (Resolution::new(500, 500), Resolution::new(960, 960)),
            (Resolution::new(20_000, 1), Resolution::new(135_760, 16)),
        ] {
            assert_eq!(VAE_2_1.size_like(hd, image), expected, "{image}");
        }
        let small = Resolution::new(64, 64);
        assert_eq!(VAE_2_2.size_like(small, Resolution::new(3000, 2900)), small);
    }

    #[test]
    fn nearest_frame_counts() {
        for (asked, below, above) in [(1, 1, 1), (2, 1, 5), (16, 13, 17), (17, 17, 17), (81, 81, 81)] {
            assert_eq!(VAE_2_1.nearest_frames(FrameCount(asked)), (FrameCount(below), FrameCount(above)));
        }
    }
}
