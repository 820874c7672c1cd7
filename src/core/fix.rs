//! Suggested fixes: changes to a draft that preflight offers, or that a retry applies after a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice, WeightsChoice};
use super::request::Draft;
use super::units::{FrameCount, Guidance, Resolution, StepCount};

/// A change to a draft that lets a job succeed or makes it cheaper, ordered from no effect on the video to the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Retry without a change.
    #[serde(alias = "again")]
    Retry,
    /// Read the weights from their files; slower, the same video.
    WeightsInPlace,
    /// Use another execution provider; slower, nearly the same video.
    Provider(ProviderChoice),
    /// Decode in VAE tiles of this size in pixels; nearly the same video.
    VaeTile(u32),
    /// Use another model, for instance the same one in int8.
    Model(String),
    /// Use this guidance scale for both experts.
    Guidance(Guidance),
    /// Fewer denoising steps.
    Steps(StepCount),
    /// Fewer frames.
    Frames(FrameCount),
    /// A smaller size.
    Size(Resolution),
    /// Remove all LoRAs.
    NoLoras,
}

impl Fix {
    /// Applies the fix to `draft`.
    pub fn apply(&self, draft: &mut Draft) {
        match self {
            Self::Retry => {}
            Self::WeightsInPlace => draft.weights = WeightsChoice::InPlace,
            Self::Provider(provider) => {
                draft.provider = *provider;
                // the CPU provider does not compute in bf16 and fp16
                if *provider == ProviderChoice::Cpu
                    && matches!(draft.precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp16)
                {
                    draft.precision = PrecisionChoice::Auto;
                }
            }
            Self::VaeTile(tile) => draft.vae_tile = Some(*tile),
            Self::Model(model) => {
                draft.model.clone_from(model);
                // int8 and int4 belong to the previous model
                if matches!(draft.precision, PrecisionChoice::Int8 | PrecisionChoice::Int4) {
                    draft.precision = PrecisionChoice::Auto;
                }
            }
            Self::Guidance(guidance) => {
                draft.guidance = guidance.0;
                draft.guidance_low = None;
            }
            Self::Steps(steps) => {
                draft.steps = steps.0;
                draft.step_list = None;
            }
            Self::Frames(frames) => draft.frames = frames.0,
            Self::Size(size) => draft.size = *size,
            Self::NoLoras => draft.loras.clear(),
        }
    }

    /// A copy of `draft` with all of `fixes` applied.
    pub fn applied<'a>(fixes: impl IntoIterator<Item = &'a Self>, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        for fix in fixes {
            fix.apply(&mut draft);
        }
        draft
    }

    /// Whether latents denoised before the fix stay valid after it.
    pub fn keeps_latents(&self) -> bool {
        matches!(self, Self::Retry | Self::WeightsInPlace | Self::VaeTile(_))
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry => f.write_str("retry unchanged"),
            Self::WeightsInPlace => f.write_str("read the weights from their files"),
            Self::Provider(ProviderChoice::Cpu) => f.write_str("run on the CPU"),
            Self::Provider(ProviderChoice::Cuda) => f.write_str("run on CUDA"),
            Self::Provider(ProviderChoice::TensorRt) => f.write_str("run on TensorRT"),
            Self::Provider(ProviderChoice::Auto) => f.write_str("let the program choose the provider"),
            Self::VaeTile(tile) => write!(f, "decode in VAE tiles of {tile} pixels"),
            Self::Model(model) => write!(f, "use the model {model}"),
            Self::Guidance(guidance) => write!(f, "guidance scale {}", guidance.0),
            Self::Steps(steps) => write!(f, "{} steps", steps.0),
            Self::Frames(frames) => write!(f, "{} frames", frames.0),
            Self::Size(size) => write!(f, "size {size}"),
            Self::NoLoras => f.write_str("remove the LoRAs"),
        }
    }
}
