//! Distilled LoRAs, which need few steps, and the settings they were distilled for.

use std::fmt;

use serde::Serialize;

use crate::core::GenRequest;

/// Words in the names of distilled LoRAs.
const WORDS: [&str; 3] = ["lightx2v", "lightning", "distill"];
/// Steps if the name does not mention them.
const STEPS: u32 = 4;
/// Flow shift the LoRAs were trained with (lightx2v's `wan_*_distill_4step.json`).
const SHIFT: f32 = 5.0;

/// Settings recommended for a distilled LoRA; the guidance scale is 1, so guidance is off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DistilledSettings {
    /// Denoising steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f32,
    /// Flow shift.
    pub shift: f32,
}

impl DistilledSettings {
    /// The settings for a LoRA or a checkpoint with these lower-case names; `None` if none of them mentions distillation.
    pub fn of(names: &[String]) -> Option<Self> {
        let named = |name: &&String| WORDS.iter().any(|word| name.contains(word));
        let name = names.iter().find(named)?;
        let steps = name.split(|c: char| !c.is_alphanumeric()).find_map(|word| {
            let digits = word.strip_suffix("steps").or_else(|| word.strip_suffix("step"))?;
            digits.parse().ok().filter(|steps| *steps > 0)
        });
        Some(Self { steps: steps.unwrap_or(STEPS), guidance: 1.0, shift: SHIFT })
    }

    /// How `request` differs from these settings, as half a sentence; `None` if it does not.
    pub fn difference(&self, request: &GenRequest) -> Option<String> {
        let mut found = Vec::new();
        if request.steps.0 != self.steps {
            found.push(format!("{} steps instead of {}", request.steps.0, self.steps));
        }
        let given = request.guidance.0.max(request.guidance_low.0);
        if given != self.guidance {
            found.push(format!("guidance {given} instead of {}", self.guidance));
        }
        if request.shift.0 != self.shift {
            found.push(format!("shift {} instead of {}", request.shift.0, self.shift));
        }
        (!found.is_empty()).then(|| found.join(", "))
    }
}

impl fmt::Display for DistilledSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps, guidance {}, shift {}", self.steps, self.guidance, self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distilled_loras_are_known_by_name() {
        let steps = |name: &str| DistilledSettings::of(&[name.to_owned()]).map(|advice| advice.steps);
        assert_eq!(steps("wan2.2_i2v_a14b_high_noise_lora_rank64_lightx2v_4step_1022"), Some(4));
        assert_eq!(steps("wan2.2-lightning_t2v-a14b-8steps-lora"), Some(8));
        assert_eq!(steps("my_distilled_style"), Some(4));
        assert_eq!(steps("lightroom_look"), None);
    }
}
