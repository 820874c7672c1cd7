//! The settings that a distilled LoRA brings to a draft.

use super::changes::DraftChanges;
use crate::core::Draft;
use crate::wan::lora::LoraFile;
use crate::wan::{DistilledSettings, KeptSettings};

/// Takes `profile` into `draft`, except for what the person set; returns what changed, as half a sentence.
pub fn apply_profile(profile: &DistilledSettings, draft: &mut Draft, given: &DraftChanges) -> Option<String> {
    let kept = KeptSettings {
        steps: given.steps.is_some(),
        guidance: given.guidance.is_some(),
        shift: given.shift.is_some(),
    };
    profile.take(draft, kept)
}

/// The settings of the first distilled LoRA that `changes` adds, if any.
pub(super) fn profile_of_loras(changes: &DraftChanges) -> Option<DistilledSettings> {
    changes.loras.iter().flatten().find_map(|lora| LoraFile::open(&lora.file).ok()?.advice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::StepList;
    use crate::core::testing::draft;
    use crate::plan::GuidanceChoice;

    #[test]
    fn a_profile_changes_what_was_not_asked_for() {
        let profile = DistilledSettings { steps: 4, guidance: 1.0, shift: 5.0 };
        let mut all = Draft { steps: 40, guidance: 4.0, guidance_low: Some(3.0), shift: 12.0, ..draft() };
        let mut some = all.clone();
        let words = apply_profile(&profile, &mut all, &DraftChanges::default()).unwrap();
        assert_eq!(words, "4 steps instead of 40, guidance 1 instead of 4, shift 5 instead of 12");
        assert_eq!((all.steps, all.guidance, all.guidance_low, all.shift), (4, 1.0, None, 5.0));
        assert_eq!(apply_profile(&profile, &mut all, &DraftChanges::default()), None, "nothing is left");
        let guidance = Some(GuidanceChoice { high: 2.0, low: None });
        let given = DraftChanges { steps: Some(6), guidance, ..DraftChanges::default() };
        (some.steps, some.guidance) = (6, 2.0);
        apply_profile(&profile, &mut some, &given);
        assert_eq!((some.steps, some.guidance, some.shift), (6, 2.0, 5.0), "asked for");
    }

    #[test]
    fn another_shift_ends_a_list_of_timesteps_of_the_same_length() {
        let profile = DistilledSettings { steps: 4, guidance: 1.0, shift: 5.0 };
        let list = Some(StepList(vec![1000.0, 900.0, 700.0, 300.0]));
        let before =
            Draft { steps: 4, guidance: 1.0, guidance_low: None, shift: 3.0, step_list: list, ..draft() };
        let mut same = Draft { shift: 5.0, ..before.clone() };
        assert_eq!(apply_profile(&profile, &mut same, &DraftChanges::default()), None);
        assert_eq!(same.step_list, before.step_list, "nothing changed");
        let mut other = before;
        let words = apply_profile(&profile, &mut other, &DraftChanges::default());
        assert_eq!(words.as_deref(), Some("shift 5 instead of 3"));
        assert_eq!(other.step_list, None, "it belongs to the other shift");
    }
}
