//! Distilled checkpoints, which need few steps, and what says that they are distilled.

use std::fmt;

use serde::Serialize;

use super::lora::DistilledSettings;
use crate::core::{Draft, GenRequest, Sampler, StepList};
use crate::onnx::Weights;

/// Keys of a file's metadata in which trainers describe what they made.
const NOTES: [&str; 6] = ["title", "comment", "description", "name", "note", "merge"];
/// Longest value of a key that is read.
const MAX_NOTE: usize = 4096;

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
            let settings = DistilledSettings::of(&[text.to_lowercase()])?;
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
            "distilled for {steps} steps, guidance {guidance} and shift {shift}, according to {}",
            self.source
        )
    }
}

impl DistilledSettings {
    /// Takes these settings into a draft: steps, guidance, shift, and the timesteps of an evenly spaced schedule with
    /// that shift, from 1000 on.
    pub fn apply(&self, draft: &mut Draft) {
        draft.steps = self.steps;
        (draft.guidance, draft.guidance_low) = (self.guidance, None);
        draft.shift = self.shift;
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
    }
}
