//! The metrics: their names, and one sentence on what each means.

use serde::{Deserialize, Serialize};

/// A difference to a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceMetric {
    /// Peak signal-to-noise ratio.
    Psnr,
    /// Structural similarity.
    Ssim,
    /// Structural similarity over several sizes.
    MsSsim,
    /// SSIMULACRA2.
    Ssimulacra2,
}

impl DifferenceMetric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Psnr, Self::Ssim, Self::MsSsim, Self::Ssimulacra2];

    /// The name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Psnr => "PSNR",
            Self::Ssim => "SSIM",
            Self::MsSsim => "MS-SSIM",
            Self::Ssimulacra2 => "SSIMULACRA2",
        }
    }

    /// The name in files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Psnr => "psnr",
            Self::Ssim => "ssim",
            Self::MsSsim => "ms_ssim",
            Self::Ssimulacra2 => "ssimulacra2",
        }
    }

    /// Its value for two identical videos; PSNR has no bound, and 100 dB stands for it.
    pub fn of_identical(self) -> f64 {
        match self {
            Self::Psnr | Self::Ssimulacra2 => 100.0,
            Self::Ssim | Self::MsSsim => 1.0,
        }
    }

    /// What it means, one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Psnr => {
                "Difference to reference in every byte, in dB: higher is closer, above 40 dB it is hardly visible."
            }
            Self::Ssim => {
                "Difference to reference in small structures of the brightness: 1 is the same, below 0.9 is visible."
            }
            Self::MsSsim => {
                "Difference to reference in structures of several sizes, nearer to what people see than SSIM: 1 is the same."
            }
            Self::Ssimulacra2 => {
                "Difference to reference as people rate it: 100 is the same, 90 invisible, 70 slight, below 50 obvious."
            }
        }
    }

    /// A value in words, for instance "38.42 dB".
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Psnr => format!("{value:.2} dB"),
            Self::Ssim | Self::MsSsim => format!("{value:.4}"),
            Self::Ssimulacra2 => format!("{value:.1}"),
        }
    }
}

/// A property of one video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClipMetric {
    /// How much moves.
    Motion,
    /// How much the brightness jumps back and forth.
    Flicker,
    /// How far the colours wander from those of the first frame.
    ColourDrift,
    /// How much detail there is.
    Sharpness,
}

impl ClipMetric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Motion, Self::Flicker, Self::ColourDrift, Self::Sharpness];

    /// The name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Motion => "Motion",
            Self::Flicker => "Flicker",
            Self::ColourDrift => "Colour drift",
            Self::Sharpness => "Sharpness",
        }
    }

    /// What it means, one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Motion => {
                "Mean change of the brightness from frame to frame, in levels of 255: much lower than another video's \
                 means slow motion."
            }
            Self::Flicker => {
                "Mean change of that change, in levels of 255: steady motion has little, flicker and jumps have much."
            }
            Self::ColourDrift => {
                "Largest distance of a frame's mean colour to the first frame's (Delta E): about 2 is just visible."
            }
            Self::Sharpness => "Variance of the Laplacian: higher has more detail, or more noise.",
        }
    }

    /// The first frame that has a value, counted from 0.
    pub fn first_frame(self) -> usize {
        match self {
            Self::Motion | Self::Flicker => 1,
            Self::ColourDrift | Self::Sharpness => 0,
        }
    }

    /// A value in words.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Sharpness => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    }
}
