//! Changes of a form that make a run cheaper or safer: offered before it, or made after a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice, WeightsChoice};
use super::request::Draft;
use super::units::{FrameCount, Guidance, Resolution, StepCount};

/// One change, in the order of how much it costs the picture: the first ones nothing, the last ones most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// The same again.
    Again,
    /// Weights are read from their files in place; slower, the same picture.
    WeightsInPlace,
    /// Another execution provider; slower, nearly the same picture.
    Provider(ProviderChoice),
    /// The VAE decodes tiles with this edge in pixels; nearly the same picture.
    VaeTile(u32),
    /// Another model, for instance the same one in int8.
    Model(String),
    /// Another guidance scale for both experts.
    Guidance(Guidance),
    /// Fewer denoising steps.
    Steps(StepCount),
    /// Fewer frames.
    Frames(FrameCount),
    /// A smaller picture.
    Size(Resolution),
    /// Without any LoRA.
    NoLoras,
}

impl Fix {
    /// Makes the change in a form.
    pub fn apply(&self, draft: &mut Draft) {
        match self {
            Self::Again => {}
            Self::WeightsInPlace => draft.weights = WeightsChoice::InPlace,
            Self::Provider(provider) => {
                draft.provider = *provider;
                // what the CPU does not compute in must not keep the job from it
                if *provider == ProviderChoice::Cpu
                    && matches!(draft.precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp16)
                {
                    draft.precision = PrecisionChoice::Auto;
                }
            }
            Self::VaeTile(edge) => draft.vae_tile = Some(*edge),
            Self::Model(model) => {
                draft.model.clone_from(model);
                // integers are of the model that was left
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

    /// `draft` after all of `changes`.
    pub fn applied<'a>(changes: impl IntoIterator<Item = &'a Self>, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        for change in changes {
            change.apply(&mut draft);
        }
        draft
    }

    /// Whether latents that were denoised before the change are those after it.
    pub fn keeps_latents(&self) -> bool {
        matches!(self, Self::Again | Self::WeightsInPlace | Self::VaeTile(_))
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again => f.write_str("try the same again"),
            Self::WeightsInPlace => f.write_str("read the weights from their files in place"),
            Self::Provider(ProviderChoice::Cpu) => f.write_str("run on the CPU"),
            Self::Provider(ProviderChoice::Cuda) => f.write_str("run on CUDA"),
            Self::Provider(ProviderChoice::TensorRt) => f.write_str("run on TensorRT"),
            Self::Provider(ProviderChoice::Auto) => f.write_str("let the program choose the provider"),
            Self::VaeTile(edge) => write!(f, "decode in VAE tiles of {edge} pixels"),
            Self::Model(model) => write!(f, "take the model {model}"),
            Self::Guidance(guidance) => write!(f, "guidance scale {}", guidance.0),
            Self::Steps(steps) => write!(f, "{} steps", steps.0),
            Self::Frames(frames) => write!(f, "{} frames", frames.0),
            Self::Size(size) => write!(f, "size {size}"),
            Self::NoLoras => f.write_str("leave the LoRAs out"),
        }
    }
}
