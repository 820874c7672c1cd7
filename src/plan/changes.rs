//! What the user changes in a draft: every field is optional, and what is not given stays as it is.

use std::path::PathBuf;

use crate::core::{
    ComponentFiles, DeviceChoice, DeviceChoices, Draft, LoraChoice, Mode, PrecisionChoice, ProviderChoice,
    Resolution, Sampler, Seed, WeightsChoice,
};

/// Starting noise as the user asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedChoice {
    /// Another seed for each job.
    Random,
    /// This seed.
    Fixed(u64),
}

impl SeedChoice {
    /// The seed itself; a random one differs at each call.
    pub fn seed(self) -> u64 {
        match self {
            Self::Random => Seed::random().0,
            Self::Fixed(seed) => seed,
        }
    }
}

/// Guidance scale of both experts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidanceChoice {
    /// Of the high-noise expert, and of a single transformer.
    pub high: f32,
    /// Of the low-noise expert; the same as `high` if `None`.
    pub low: Option<f32>,
}

/// Threshold of the step cache as the user asks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepCacheChoice {
    /// Every step is computed.
    Off,
    /// Steps below this threshold are skipped.
    Threshold(f32),
}

impl StepCacheChoice {
    /// The threshold; `None` if it is off.
    pub fn threshold(self) -> Option<f32> {
        match self {
            Self::Off => None,
            Self::Threshold(threshold) => Some(threshold),
        }
    }
}

/// A device as the user asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// None in particular.
    None,
    /// This one.
    Device(DeviceChoice),
}

impl DeviceChange {
    /// The device, if there is one.
    pub fn choice(self) -> Option<DeviceChoice> {
        match self {
            Self::None => None,
            Self::Device(device) => Some(device),
        }
    }
}

/// Changes to a draft. `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftChanges {
    /// What should be seen.
    pub prompt: Option<String>,
    /// What should not be seen.
    pub negative_prompt: Option<String>,
    /// Model id or folder.
    pub model: Option<String>,
    /// Mode, instead of the one that follows from the model.
    pub mode: Option<Mode>,
    /// Image of the first frame.
    pub start_image: Option<PathBuf>,
    /// Image of the last frame.
    pub end_image: Option<PathBuf>,
    /// A clip whose last frame is the start image.
    pub continue_from: Option<PathBuf>,
    /// Starting noise.
    pub seed: Option<SeedChoice>,
    /// Denoising steps.
    pub steps: Option<u32>,
    /// Guidance scale of both experts.
    pub guidance: Option<GuidanceChoice>,
    /// Flow shift.
    pub shift: Option<f32>,
    /// Sampler.
    pub sampler: Option<Sampler>,
    /// Width and height in pixels.
    pub size: Option<Resolution>,
    /// Frames of video.
    pub frames: Option<u32>,
    /// Frames per second.
    pub fps: Option<u32>,
    /// All LoRAs, in the order they are added.
    pub loras: Option<Vec<LoraChoice>>,
    /// Where to run.
    pub provider: Option<ProviderChoice>,
    /// What to compute in.
    pub precision: Option<PrecisionChoice>,
    /// Edge of a VAE tile in pixels.
    pub vae_tile: Option<u32>,
    /// How the weights are held.
    pub weights: Option<WeightsChoice>,
    /// Files for components of the model.
    pub components: ComponentFiles,
    /// The device to pin the job to, or none.
    pub device: Option<DeviceChange>,
    /// The second device of CFG parallelism, or none.
    pub cfg_parallel: Option<DeviceChange>,
    /// File with the latents to start from.
    pub latents_in: Option<PathBuf>,
    /// Threshold of the step cache.
    pub step_cache: Option<StepCacheChoice>,
    /// Fraction of the training timesteps from which the high-noise expert runs.
    pub boundary: Option<f32>,
}

impl DraftChanges {
    /// Whether a start image is given, as a file or as the end of a clip.
    pub fn starts_from_image(&self) -> bool {
        self.start_image.is_some() || self.continue_from.is_some()
    }

    /// `draft` after the changes. Other steps or another shift end a list of fixed timesteps.
    #[must_use]
    pub fn applied(&self, draft: Draft) -> Draft {
        let given = self.clone();
        let own_grid = given.steps.is_some() || given.shift.is_some();
        let (guidance, guidance_low) = match given.guidance {
            Some(GuidanceChoice { high, low }) => (high, low),
            None => (draft.guidance, draft.guidance_low),
        };
        Draft {
            prompt: given.prompt.unwrap_or(draft.prompt),
            negative_prompt: given.negative_prompt.unwrap_or(draft.negative_prompt),
            model: given.model.unwrap_or(draft.model),
            mode: given.mode.or(draft.mode),
            start_image: given.start_image.or(draft.start_image),
            end_image: given.end_image.or(draft.end_image),
            continue_from: given.continue_from.or(draft.continue_from),
            seed: given.seed.map_or(draft.seed, SeedChoice::seed),
            steps: given.steps.unwrap_or(draft.steps),
            guidance,
            guidance_low,
            shift: given.shift.unwrap_or(draft.shift),
            sampler: given.sampler.unwrap_or(draft.sampler),
            step_list: draft.step_list.filter(|_| !own_grid),
            size: given.size.unwrap_or(draft.size),
            frames: given.frames.unwrap_or(draft.frames),
            fps: given.fps.unwrap_or(draft.fps),
            provider: given.provider.unwrap_or(draft.provider),
            precision: given.precision.unwrap_or(draft.precision),
            loras: given.loras.unwrap_or(draft.loras),
            vae_tile: given.vae_tile.or(draft.vae_tile),
            weights: given.weights.unwrap_or(draft.weights),
            components: given.components.or(draft.components),
            devices: DeviceChoices {
                device: given.device.map_or(draft.devices.device, DeviceChange::choice),
                cfg_parallel: given.cfg_parallel.map_or(draft.devices.cfg_parallel, DeviceChange::choice),
            },
            latents_in: given.latents_in.or(draft.latents_in),
            step_cache: given.step_cache.map_or(draft.step_cache, StepCacheChoice::threshold),
            boundary: given.boundary.or(draft.boundary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::StepList;
    use crate::core::testing::draft;

    #[test]
    fn what_is_not_given_stays() {
        let before = Draft { step_list: Some(StepList(vec![1000.0, 500.0])), ..draft() };
        assert_eq!(DraftChanges::default().applied(before.clone()), before);
        let changes = DraftChanges {
            seed: Some(SeedChoice::Fixed(9)),
            guidance: Some(GuidanceChoice { high: 3.0, low: None }),
            ..DraftChanges::default()
        };
        let expected = Draft { seed: 9, guidance: 3.0, guidance_low: None, ..before.clone() };
        assert_eq!(changes.applied(Draft { guidance_low: Some(2.0), ..before.clone() }), expected);
        let steps = DraftChanges { steps: Some(4), ..DraftChanges::default() };
        assert_eq!(steps.applied(before.clone()).step_list, None);
        let pinned = DraftChanges {
            device: Some(DeviceChange::Device(DeviceChoice::Ordinal(1))),
            ..DraftChanges::default()
        };
        let pinned = pinned.applied(before.clone());
        assert_eq!(pinned.devices.device, Some(DeviceChoice::Ordinal(1)));
        assert_eq!(DraftChanges::default().applied(pinned.clone()), pinned);
        let freed = DraftChanges { device: Some(DeviceChange::None), ..DraftChanges::default() };
        assert_eq!(freed.applied(pinned), before);
    }
}
