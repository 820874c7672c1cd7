//! The fields of a draft that a preset or a model gives: their names, their values in words, and where drafts differ.

use crate::core::{
    DeviceChoice, Draft, LoraChoice, PrecisionChoice, ProviderChoice, WeightsChoice, shortened,
};

/// A field that has a value of its own in a preset or in a model's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DraftField {
    /// The model.
    Model,
    /// What should not be seen.
    NegativePrompt,
    /// Width and height.
    Size,
    /// Frames of video.
    Frames,
    /// Frames per second.
    Fps,
    /// Denoising steps.
    Steps,
    /// Guidance scale of both experts.
    Guidance,
    /// LoRAs.
    Loras,
    /// Sampler.
    Sampler,
    /// Flow shift.
    Shift,
    /// Fixed timesteps of a distilled model.
    StepList,
    /// Execution provider.
    Provider,
    /// The device that runs the job.
    Device,
    /// The second device, for the negative prompt.
    CfgParallel,
    /// Precision.
    Precision,
    /// Where the weights are.
    Weights,
    /// VAE tile size.
    VaeTile,
    /// Threshold of the step cache.
    StepCache,
    /// Where the low-noise expert takes over.
    Boundary,
}

/// One field in which two drafts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: DraftField,
    /// Its value in the first draft, in words.
    pub before: String,
    /// Its value in the second draft, in words.
    pub after: String,
}

impl DraftField {
    /// All of them, in the order of the form.
    pub const ALL: [Self; 19] = [
        Self::Model,
        Self::NegativePrompt,
        Self::Size,
        Self::Frames,
        Self::Fps,
        Self::Steps,
        Self::Guidance,
        Self::Loras,
        Self::Sampler,
        Self::Shift,
        Self::StepList,
        Self::Provider,
        Self::Device,
        Self::CfgParallel,
        Self::Precision,
        Self::Weights,
        Self::VaeTile,
        Self::StepCache,
        Self::Boundary,
    ];

    /// The name on screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::NegativePrompt => "Negative prompt",
            Self::Size => "Size",
            Self::Frames => "Frames",
            Self::Fps => "Frames per second",
            Self::Steps => "Steps",
            Self::Guidance => "Guidance",
            Self::Loras => "LoRAs",
            Self::Sampler => "Sampler",
            Self::Shift => "Flow shift",
            Self::StepList => "Timesteps",
            Self::Provider => "Provider",
            Self::Device => "Device",
            Self::CfgParallel => "CFG parallel",
            Self::Precision => "Precision",
            Self::Weights => "Weights",
            Self::VaeTile => "VAE tile",
            Self::StepCache => "Step cache",
            Self::Boundary => "Boundary",
        }
    }

    /// Whether both drafts have the same value.
    pub fn is_same(self, one: &Draft, other: &Draft) -> bool {
        let low = |draft: &Draft| draft.guidance_low.unwrap_or(draft.guidance);
        match self {
            Self::Model => one.model == other.model,
            Self::NegativePrompt => one.negative_prompt == other.negative_prompt,
            Self::Size => one.size == other.size,
            Self::Frames => one.frames == other.frames,
            Self::Fps => one.fps == other.fps,
            Self::Steps => one.steps == other.steps,
            Self::Guidance => one.guidance == other.guidance && low(one) == low(other),
            Self::Loras => one.loras == other.loras,
            Self::Sampler => one.sampler == other.sampler,
            Self::Shift => one.shift == other.shift,
            Self::StepList => one.step_list == other.step_list,
            Self::Provider => one.provider == other.provider,
            Self::Device => one.devices.device == other.devices.device,
            Self::CfgParallel => one.devices.cfg_parallel == other.devices.cfg_parallel,
            Self::Precision => one.precision == other.precision,
            Self::Weights => one.weights == other.weights,
            Self::VaeTile => one.vae_tile == other.vae_tile,
            Self::StepCache => one.step_cache == other.step_cache,
            Self::Boundary => one.boundary == other.boundary,
        }
    }

    /// Gives `draft` the value that `from` has.
    pub fn copy(self, from: &Draft, draft: &mut Draft) {
        match self {
            Self::Model => draft.model.clone_from(&from.model),
            Self::NegativePrompt => draft.negative_prompt.clone_from(&from.negative_prompt),
            Self::Size => draft.size = from.size,
            Self::Frames => draft.frames = from.frames,
            Self::Fps => draft.fps = from.fps,
            Self::Steps => draft.steps = from.steps,
            Self::Guidance => (draft.guidance, draft.guidance_low) = (from.guidance, from.guidance_low),
            Self::Loras => draft.loras.clone_from(&from.loras),
            Self::Sampler => draft.sampler = from.sampler,
            Self::Shift => draft.shift = from.shift,
            Self::StepList => draft.step_list.clone_from(&from.step_list),
            Self::Provider => draft.provider = from.provider,
            Self::Device => draft.devices.device.clone_from(&from.devices.device),
            Self::CfgParallel => draft.devices.cfg_parallel.clone_from(&from.devices.cfg_parallel),
            Self::Precision => draft.precision = from.precision,
            Self::Weights => draft.weights = from.weights,
            Self::VaeTile => draft.vae_tile = from.vae_tile,
            Self::StepCache => draft.step_cache = from.step_cache,
            Self::Boundary => draft.boundary = from.boundary,
        }
    }

    /// Its value in words, for instance "832x480" or "4.00 · 3.00".
    pub fn value(self, draft: &Draft) -> String {
        match self {
            Self::Model => draft.model.clone(),
            Self::NegativePrompt if draft.negative_prompt.is_empty() => "none".to_owned(),
            Self::NegativePrompt => shortened(&draft.negative_prompt, LONGEST),
            Self::Size => draft.size.to_string(),
            Self::Frames => draft.frames.to_string(),
            Self::Fps => draft.fps.to_string(),
            Self::Steps => draft.steps.to_string(),
            Self::Guidance => match draft.guidance_low {
                Some(low) if low != draft.guidance => format!("{} · {low}", draft.guidance),
                _ => draft.guidance.to_string(),
            },
            Self::Loras if draft.loras.is_empty() => "none".to_owned(),
            Self::Loras => draft.loras.iter().map(lora_name).collect::<Vec<_>>().join(", "),
            Self::Sampler => draft.sampler.label().to_owned(),
            Self::Shift => draft.shift.to_string(),
            Self::StepList => draft.step_list.as_ref().map_or_else(
                || "the sampler's".to_owned(),
                |list| list.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            ),
            Self::Provider => provider(draft.provider).to_owned(),
            Self::Device => device(draft.devices.device.as_ref(), "auto"),
            Self::CfgParallel => device(draft.devices.cfg_parallel.as_ref(), "off"),
            Self::Precision => precision(draft.precision).to_owned(),
            Self::Weights => weights(draft.weights).to_owned(),
            Self::VaeTile => draft.vae_tile.map_or_else(|| "auto".to_owned(), |tile| format!("{tile} px")),
            Self::StepCache => draft.step_cache.map_or_else(|| "off".to_owned(), |at| at.to_string()),
            Self::Boundary => draft.boundary.map_or_else(|| "the model's".to_owned(), |at| at.to_string()),
        }
    }
}

/// Every field in which `after` has another value than `before`.
pub fn differences(before: &Draft, after: &Draft) -> Vec<Difference> {
    let differ = DraftField::ALL.into_iter().filter(|field| !field.is_same(before, after));
    differ.map(|field| Difference { field, before: field.value(before), after: field.value(after) }).collect()
}

/// Longest text of a value, in characters.
const LONGEST: usize = 24;

fn lora_name(lora: &LoraChoice) -> String {
    lora.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The word for an execution provider.
pub fn provider(choice: ProviderChoice) -> &'static str {
    match choice {
        ProviderChoice::Auto => "auto",
        ProviderChoice::Cpu => "CPU",
        ProviderChoice::Cuda => "CUDA",
        ProviderChoice::TensorRt => "TensorRT",
        ProviderChoice::Rtx => "TensorRT for RTX",
        ProviderChoice::WebGpu => "WebGPU (experimental)",
        ProviderChoice::OpenVino => "OpenVINO (experimental)",
    }
}

/// A device by its number or UUID, or the word for none.
fn device(choice: Option<&DeviceChoice>, none: &str) -> String {
    choice.map_or_else(|| none.to_owned(), |device| shortened(&device.to_string(), LONGEST))
}

/// The word for a precision.
pub fn precision(choice: PrecisionChoice) -> &'static str {
    match choice {
        PrecisionChoice::Auto => "auto",
        PrecisionChoice::Fp32 => "fp32",
        PrecisionChoice::Bf16 => "bf16",
        PrecisionChoice::Fp16 => "fp16",
        PrecisionChoice::Int8 => "int8",
        PrecisionChoice::Int4 => "int4",
    }
}

/// The word for the place of the weights.
pub fn weights(choice: WeightsChoice) -> &'static str {
    match choice {
        WeightsChoice::Auto => "auto",
        WeightsChoice::Packed => "packed",
        WeightsChoice::InPlace => "in place",
        WeightsChoice::Streamed => "streamed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;
    use crate::core::{DeviceChoices, Resolution, Sampler, StepList};

    #[test]
    fn every_field_is_compared_copied_and_put_into_words() {
        let before = draft();
        let other = Draft {
            model: "other".into(),
            negative_prompt: "grey, blurred, and many more words of that kind".into(),
            size: Resolution::new(832, 480),
            frames: 81,
            fps: 16,
            steps: 4,
            guidance: 4.0,
            guidance_low: Some(3.0),
            loras: vec![LoraChoice::new("styles/ink.safetensors")],
            sampler: Sampler::Euler,
            shift: 5.0,
            step_list: Some(StepList(vec![1000.0, 500.0])),
            provider: ProviderChoice::Cpu,
            devices: DeviceChoices {
                device: Some(DeviceChoice::Ordinal(1)),
                cfg_parallel: Some(DeviceChoice::Ordinal(0)),
            },
            precision: PrecisionChoice::Fp32,
            weights: WeightsChoice::InPlace,
            vae_tile: Some(128),
            step_cache: Some(0.05),
            boundary: Some(0.9),
            ..draft()
        };
        let found = differences(&before, &other);
        assert_eq!(found.iter().map(|found| found.field).collect::<Vec<_>>(), DraftField::ALL);
        assert!(found.iter().all(|found| found.before != found.after), "{found:?}");
        let mut copy = before.clone();
        for field in DraftField::ALL {
            field.copy(&other, &mut copy);
        }
        assert_eq!(copy, other);
        assert_eq!(differences(&before, &before), []);
        // what the low-noise expert does anyway is no difference
        let same = Draft { guidance_low: Some(before.guidance), ..before.clone() };
        assert_eq!(differences(&before, &same), []);
        assert_eq!(DraftField::Guidance.value(&other), "4 · 3");
        assert_eq!(DraftField::NegativePrompt.value(&other), "grey, blurred, and many …");
    }
}
