//! The settings that a distilled LoRA brings to a draft.

use super::changes::DraftChanges;
use crate::core::Draft;
use crate::wan::lora::{DistilledSettings, LoraFile};

/// Takes `profile` into `draft`, except for what the person set; returns what changed, as half a sentence.
pub fn apply_profile(profile: &DistilledSettings, draft: &mut Draft, given: &DraftChanges) -> Option<String> {
    let mut changed = Vec::new();
    if given.steps.is_none() && draft.steps != profile.steps {
        changed.push(format!("{} steps instead of {}", profile.steps, draft.steps));
        draft.steps = profile.steps;
    }
    let has_guidance =
        draft.guidance != profile.guidance || draft.guidance_low.is_some_and(|low| low != profile.guidance);
    if given.guidance.is_none() && has_guidance {
        changed.push(format!("guidance {} instead of {}", profile.guidance, draft.guidance));
        (draft.guidance, draft.guidance_low) = (profile.guidance, None);
    }
    if given.shift.is_none() && draft.shift != profile.shift {
        changed.push(format!("shift {} instead of {}", profile.shift, draft.shift));
        draft.shift = profile.shift;
    }
    let other_list = draft.step_list.as_ref().is_some_and(|list| list.0.len() != draft.steps as usize);
    if other_list {
        draft.step_list = None;
    }
    (!changed.is_empty()).then(|| changed.join(", "))
}

/// The settings of the first distilled LoRA that `changes` adds, if any.
pub(super) fn profile_of_loras(changes: &DraftChanges) -> Option<DistilledSettings> {
    changes.loras.iter().flatten().find_map(|lora| LoraFile::open(&lora.file).ok()?.advice())
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
