//! What a person can do about a slow job, as one action.

use serde::Serialize;

use crate::core::{Draft, Fix, FrameCount, StepCount};
use crate::library::Bottleneck;

/// Fewest steps that are suggested.
const FEWEST_STEPS: u32 = 4;

/// An action that makes later jobs faster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Change the settings of the form.
    Fix(Fix),
    /// Use fewer denoising steps than the form has.
    FewerSteps,
    /// Make a shorter video than the form asks for.
    ShorterVideo,
    /// Choose or convert a smaller model.
    ShowModels,
    /// Let operations use all cores.
    AllCores,
    /// Pause the queue.
    PauseQueue,
}

impl Remedy {
    /// What helps against a bottleneck.
    pub(super) fn of(bottleneck: Bottleneck) -> Self {
        match bottleneck {
            Bottleneck::Compute => Self::FewerSteps,
            Bottleneck::Memory | Bottleneck::Transfer | Bottleneck::Loading => Self::ShowModels,
            Bottleneck::Decode | Bottleneck::Cpu => Self::ShorterVideo,
        }
    }

    /// The change of `draft` that does it; `None` if it is no change of a draft, or if `draft` has it already.
    pub fn fix(&self, draft: &Draft) -> Option<Fix> {
        let fix = match self {
            Self::Fix(fix) => fix.clone(),
            Self::FewerSteps => {
                Fix::Steps(StepCount((draft.steps * 3 / 5).max(FEWEST_STEPS).min(draft.steps)))
            }
            // videos have 4n + 1 frames
            Self::ShorterVideo => Fix::Frames(FrameCount(draft.frames.saturating_sub(1) / 8 * 4 + 1)),
            Self::ShowModels | Self::AllCores | Self::PauseQueue => return None,
        };
        (Fix::applied([&fix], draft) != *draft).then_some(fix)
    }

    /// What a button that does it says.
    pub fn label(&self) -> String {
        match self {
            Self::Fix(fix) => fix.label(),
            Self::FewerSteps => "Use fewer steps".to_owned(),
            Self::ShorterVideo => "Make it shorter".to_owned(),
            Self::ShowModels => "Show the models".to_owned(),
            Self::AllCores => "Use all cores".to_owned(),
            Self::PauseQueue => "Pause the queue".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::draft;

    #[test]
    fn changes_are_relative_to_the_form() {
        let form = Draft { steps: 20, frames: 81, ..draft() };
        assert_eq!(Remedy::FewerSteps.fix(&form), Some(Fix::Steps(StepCount(12))));
        assert_eq!(Remedy::ShorterVideo.fix(&form), Some(Fix::Frames(FrameCount(41))));
        let least = Draft { steps: 4, frames: 1, ..form };
        assert_eq!((Remedy::FewerSteps.fix(&least), Remedy::ShorterVideo.fix(&least)), (None, None));
        assert_eq!(Remedy::PauseQueue.fix(&least), None);
    }
}
