//! Distilled checkpoints and LoRAs, which need few steps, the settings for them, and what says that they are distilled.

use std::fmt;

use serde::Serialize;

use crate::core::{Draft, GenRequest, Sampler, StepList, counted};
use crate::onnx::Weights;

/// Keys of a file's metadata in which trainers describe what they made.
const NOTES: [&str; 6] = ["title", "comment", "description", "name", "note", "merge"];
/// Longest value of a key that is read.
const MAX_NOTE: usize = 4096;

/// Words in the names of distilled checkpoints and LoRAs.
const WORDS: [&str; 4] = ["lightx2v", "lightning", "distill", THREE_STEPS];
/// The word for models that need three steps (`FastWan2_2_TI2V_5B_Config` in `FastVideo`, whose flow shift is 5, too).
const THREE_STEPS: &str = "fastwan";
/// What all-in-one checkpoints with such a LoRA merged into them are called; a LoRA may be of rapid movements.
const MERGED: &str = "rapid";
/// Steps if the name does not mention them.
const STEPS: u32 = 4;
/// Flow shift the LoRAs were trained with (lightx2v's `wan_*_distill_4step.json`).
const SHIFT: f32 = 5.0;

/// The profile that a distilled checkpoint brings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distilled {
    /// Settings it was distilled for.
    pub settings: DistilledSettings,
    /// The name or note that says so.
    pub source: String,
}

impl Distilled {
    /// The profile of a checkpoint with these names; `None` if neither they nor its metadata mention distillation.
    pub fn of(names: &[String], weights: &Weights) -> Option<Self> {
        let is_note = |(key, value): &(&String, &String)| {
            let key = key.to_lowercase();
            value.len() <= MAX_NOTE && NOTES.iter().any(|word| key.contains(word))
        };
        let notes = weights
            .metadata()
            .iter()
            .filter(is_note)
            .map(|(key, value)| (value, format!("its metadata {key}")));
        let named = names.iter().map(|name| (name, format!("its name {name}")));
        named.chain(notes).find_map(|(text, source)| {
            let text = text.to_lowercase();
            let named = DistilledSettings::of(std::slice::from_ref(&text));
            let settings =
                named.or_else(|| text.contains(MERGED).then(|| DistilledSettings::of_name(&text)))?;
            Some(Self { settings, source })
        })
    }

    /// How `request` differs from these settings, as half a sentence; `None` if it does not.
    pub fn difference(&self, request: &GenRequest) -> Option<String> {
        self.settings.difference(request)
    }
}

impl fmt::Display for Distilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DistilledSettings { steps, guidance, shift } = self.settings;
        write!(
            f,
            "distilled for {}, guidance {guidance} and shift {shift}, according to {}",
            counted(steps, "step"),
            self.source
        )
    }
}

/// Settings recommended for a distilled checkpoint or LoRA; the guidance scale is 1, so guidance is off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DistilledSettings {
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f32,
    /// Flow shift.
    pub shift: f32,
}

/// Settings of a draft that a profile leaves as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptSettings {
    /// Whether the steps stay.
    pub steps: bool,
    /// Whether the guidance scales stay.
    pub guidance: bool,
    /// Whether the flow shift stays.
    pub shift: bool,
}

impl DistilledSettings {
    /// The settings for a LoRA or a checkpoint with these lower-case names; `None` if none of them mentions distillation.
    pub fn of(names: &[String]) -> Option<Self> {
        let named = |name: &&String| WORDS.iter().any(|word| name.contains(word));
        names.iter().find(named).map(|name| Self::of_name(name))
    }

    /// The settings for something distilled with this lower-case name.
    fn of_name(name: &str) -> Self {
        let steps = name.split(|c: char| !c.is_alphanumeric()).find_map(|word| {
            let digits = word.strip_suffix("steps").or_else(|| word.strip_suffix("step"))?;
            digits.parse().ok().filter(|steps| *steps > 0)
        });
        let usual = if name.contains(THREE_STEPS) { 3 } else { STEPS };
        Self { steps: steps.unwrap_or(usual), guidance: 1.0, shift: SHIFT }
    }

    fn of_draft(draft: &Draft) -> Self {
        let Draft { steps, guidance, guidance_low, shift, .. } = *draft;
        Self { steps, guidance: guidance.max(guidance_low.unwrap_or(guidance)), shift }
    }

    /// How `request` differs from these settings, as half a sentence; `None` if it does not.
    pub fn difference(&self, request: &GenRequest) -> Option<String> {
        let guidance = request.guidance.0.max(request.guidance_low.0);
        let given = Self { steps: request.steps.0, guidance, shift: request.shift.0 };
        given.instead_of(self)
    }

    /// What these settings have instead of what `other` has, as half a sentence; `None` if they are the same.
    fn instead_of(&self, other: &Self) -> Option<String> {
        let mut found = Vec::new();
        if self.steps != other.steps {
            found.push(format!("{} instead of {}", counted(self.steps, "step"), other.steps));
        }
        if self.guidance != other.guidance {
            found.push(format!("guidance {} instead of {}", self.guidance, other.guidance));
        }
        if self.shift != other.shift {
            found.push(format!("shift {} instead of {}", self.shift, other.shift));
        }
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Takes these settings into a draft, except for what is kept; returns what changed, as half a sentence. Other steps
    /// or another shift end a list of fixed timesteps.
    pub fn take(&self, draft: &mut Draft, kept: KeptSettings) -> Option<String> {
        let before = Self::of_draft(draft);
        if !kept.steps {
            draft.steps = self.steps;
        }
        if !kept.guidance {
            (draft.guidance, draft.guidance_low) = (self.guidance, None);
        }
        if !kept.shift {
            draft.shift = self.shift;
        }
        let after = Self::of_draft(draft);
        if (after.steps, after.shift) != (before.steps, before.shift) {
            draft.step_list = None;
        }
        after.instead_of(&before)
    }

    /// Takes these settings into a draft, with the timesteps of an evenly spaced schedule with that shift, from 1000 on.
    pub fn apply(&self, draft: &mut Draft) {
        self.take(draft, KeptSettings::default());
        draft.sampler = Sampler::Euler;
        draft.step_list = Some(self.step_list());
    }

    /// The timesteps: `1000 k s / (1 + (k - 1) s)` for shift `k` and `s` from 1 down in even steps.
    pub fn step_list(&self) -> StepList {
        let (steps, shift) = (f64::from(self.steps), f64::from(self.shift));
        let timestep = |step: u32| {
            let sigma = 1.0 - f64::from(step) / steps;
            (1000.0 * shift * sigma / (1.0 + (shift - 1.0) * sigma)) as f32
        };
        StepList((0..self.steps).map(timestep).collect())
    }
}

impl fmt::Display for DistilledSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, guidance {}, shift {}", counted(self.steps, "step"), self.guidance, self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    #[test]
    fn a_distilled_checkpoint_is_known_by_name_and_brings_its_timesteps() {
        let none = Weights::none();
        let of = |name: &str| Distilled::of(&[name.to_owned()], &none);
        assert_eq!(of("wan2.2_t2v_high_noise_14B_fp16"), None);
        let found = of("wan2.2_t2v_A14b_high_noise_lightx2v_4step").unwrap();
        let mut draft = draft();
        found.settings.apply(&mut draft);
        assert_eq!((draft.steps, draft.guidance, draft.shift), (4, 1.0, 5.0));
        let list = draft.step_list.unwrap().0;
        // LightX2V's list for four steps
        for (found, expected) in list.iter().zip([1000.0, 937.5, 833.3333, 625.0]) {
            assert!((found - expected).abs() < 0.01, "{list:?}");
        }
        assert!(found.to_string().contains("distilled for 4 steps, guidance 1 and shift 5"), "{found}");
        assert_eq!(of("wan2.2-t2v-rapid-aio-v10").unwrap().settings, found.settings);
        let one = DistilledSettings { steps: 1, ..found.settings };
        assert_eq!(one.to_string(), "1 step, guidance 1, shift 5");
    }

    #[test]
    fn distilled_loras_are_known_by_name() {
        let steps = |name: &str| DistilledSettings::of(&[name.to_owned()]).map(|advice| advice.steps);
        assert_eq!(steps("wan2.2_i2v_a14b_high_noise_lora_rank64_lightx2v_4step_1022"), Some(4));
        assert_eq!(steps("wan2.2-lightning_t2v-a14b-8steps-lora"), Some(8));
        assert_eq!(steps("my_distilled_style"), Some(4));
        assert_eq!(steps("wan2_2_5b_fastwanfullattn_lora_rank_128"), Some(3));
        assert_eq!(steps("rapid_zoom"), None);
        assert_eq!(steps("lightroom_look"), None);
    }
}
