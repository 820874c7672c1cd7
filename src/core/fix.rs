//! Fixes: changes of a draft that make a run cheaper or safer, suggested before it or applied after a failure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::choice::{PrecisionChoice, ProviderChoice, WeightsChoice};
use super::component_files::ComponentFiles;
use super::counted::counted;
use super::device_choice::DeviceChoices;
use super::quantisation::Quantisation;
use super::request::Draft;
use super::units::{FrameCount, Guidance, Resolution, Secs, StepCount};

/// One change of a draft. Variants are ordered by their effect on the video: the first have none, the last the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Retry with the same settings.
    #[serde(alias = "again")]
    Retry,
    /// Encode the prompt and the images again instead of taking them from the cache: the same video.
    WithoutCache,
    /// Set another time limit, or none. It is a setting of the job, not of its draft.
    TimeLimit(Option<Secs>),
    /// Read weights from their files in place: slower, the same video.
    WeightsInPlace,
    /// Give the device the weights block by block in every pass: slower, the same video.
    StreamWeights,
    /// Use another execution provider: nearly the same video.
    Provider(ProviderChoice),
    /// Run on whichever device is free, and both guidance passes on the same one: nearly the same video.
    AnyDevice,
    /// Use VAE tiles of this size in pixels: nearly the same video.
    VaeTile(u32),
    /// Use another model, for instance the int8 copy.
    Model(String),
    /// Convert the model to a smaller copy and use that. The copy is not there yet.
    Convert {
        /// The model's name.
        model: String,
        /// What the copy is quantised to.
        quantisation: Quantisation,
    },
    /// Fetch this model of the manifest, named with its variant. It is not on this machine yet.
    Fetch(String),
    /// Lower the guidance scale of both experts to this; one that is lower already stays.
    Guidance(Guidance),
    /// Use fewer denoising steps.
    Steps(StepCount),
    /// Make a shorter video.
    Frames(FrameCount),
    /// Make a smaller video.
    Size(Resolution),
    /// Remove all LoRAs.
    NoLoras,
    /// Several fixes that help only together.
    Together(Vec<Self>),
}

impl Fix {
    /// Applies the fix to a draft.
    pub fn apply(&self, draft: &mut Draft) {
        match self {
            Self::Retry | Self::WithoutCache | Self::TimeLimit(_) | Self::Convert { .. } | Self::Fetch(_) => {
            }
            Self::Together(fixes) => fixes.iter().for_each(|fix| fix.apply(draft)),
            Self::WeightsInPlace => draft.weights = WeightsChoice::InPlace,
            Self::StreamWeights => draft.weights = WeightsChoice::Streamed,
            Self::Provider(provider) => {
                draft.provider = *provider;
                // the CPU has no kernels for these precisions, and the job would be rejected
                if *provider == ProviderChoice::Cpu
                    && matches!(draft.precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp16)
                {
                    draft.precision = PrecisionChoice::Auto;
                }
            }
            Self::AnyDevice => draft.devices = DeviceChoices::default(),
            Self::VaeTile(size) => draft.vae_tile = Some(*size),
            Self::Model(model) => {
                draft.model.clone_from(model);
                // they were chosen for the other model
                draft.components = ComponentFiles::default();
                // the other model may be quantised differently
                if matches!(draft.precision, PrecisionChoice::Int8 | PrecisionChoice::Int4) {
                    draft.precision = PrecisionChoice::Auto;
                }
            }
            Self::Guidance(guidance) => {
                draft.guidance_low = draft.guidance_low.map(|low| low.min(guidance.0));
                draft.guidance = draft.guidance.min(guidance.0);
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

    /// Whether the fix is a change of the draft and of nothing else.
    pub fn is_of_draft(&self) -> bool {
        match self {
            Self::Retry | Self::WithoutCache | Self::TimeLimit(_) | Self::Convert { .. } | Self::Fetch(_) => {
                false
            }
            Self::Together(fixes) => fixes.iter().all(Self::is_of_draft),
            _ => true,
        }
    }

    /// A copy of `draft` with all of `fixes` applied in order.
    pub fn applied<'a>(fixes: impl IntoIterator<Item = &'a Self>, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        for fix in fixes {
            fix.apply(&mut draft);
        }
        draft
    }

    /// Whether latents that were denoised before the fix are still valid after it.
    pub fn keeps_latents(&self) -> bool {
        match self {
            Self::Retry
            | Self::WithoutCache
            | Self::TimeLimit(_)
            | Self::WeightsInPlace
            | Self::StreamWeights
            | Self::AnyDevice
            | Self::VaeTile(_) => true,
            Self::Together(fixes) => fixes.iter().all(Self::keeps_latents),
            _ => false,
        }
    }

    /// The text of a button that applies the fix, for instance "Use 17 frames".
    pub fn label(&self) -> String {
        let words = match self {
            // the command is for the command line
            Self::Fetch(model) => format!("fetch the model {model}…"),
            Self::Convert { quantisation, .. } => format!("convert the model to {}", quantisation.word()),
            _ => self.to_string(),
        };
        let mut chars = words.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    }
}

/// An imperative for use in a sentence, for instance "use 17 frames".
impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry => f.write_str("retry unchanged"),
            Self::WithoutCache => f.write_str("encode prompt and images again instead of using the cache"),
            Self::TimeLimit(None) => f.write_str("use no time limit"),
            Self::TimeLimit(Some(limit)) => write!(f, "use a time limit of {limit}"),
            Self::WeightsInPlace => f.write_str("read weights from disk instead of memory"),
            Self::StreamWeights => {
                f.write_str("stream the weights block by block instead of loading them all")
            }
            Self::Provider(ProviderChoice::Cpu) => f.write_str("run on the CPU"),
            Self::Provider(choice) => match choice.provider() {
                Some(provider) => write!(f, "run on {provider}"),
                None => f.write_str("choose the provider automatically"),
            },
            Self::AnyDevice => f.write_str("run on any device"),
            Self::VaeTile(size) => write!(f, "use VAE tiles of {size} px"),
            Self::Model(model) => write!(f, "use the model {model}"),
            Self::Guidance(guidance) => write!(f, "use guidance scale {} or less", guidance.0),
            Self::Steps(steps) => write!(f, "use {}", counted(steps.0, "step")),
            Self::Frames(frames) => write!(f, "use {}", counted(frames.0, "frame")),
            Self::Size(size) => write!(f, "use size {size}"),
            Self::Convert { model, quantisation } => {
                let word = quantisation.word();
                write!(
                    f,
                    "convert the model to {word} (\"wandeck models convert {model} --precision {word}\")"
                )
            }
            Self::Fetch(model) => write!(f, "fetch the model (\"wandeck models fetch {model}\")"),
            Self::NoLoras => f.write_str("remove the LoRAs"),
            Self::Together(fixes) => {
                for (index, fix) in fixes.iter().enumerate() {
                    write!(f, "{}{fix}", if index == 0 { "" } else { " and " })?;
                }
                Ok(())
            }
        }
    }
}
