//! What a guided search looks for, as a sweep's file holds it.

use serde::{Deserialize, Serialize};

use crate::core::{Draft, Error, Kind, Result};
use crate::metrics::DifferenceMetric;
use crate::sweep::axis::Axis;
use crate::sweep::field::SweepField;

/// Number of trials if none is given.
const TRIALS: u32 = 20;
/// Largest number of trials.
const MAX_TRIALS: u32 = 500;

/// A guided search of the space of a sweep's axes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuidedSearch {
    /// What is looked for.
    pub goal: Goal,
    /// Number of trials; the reference is not one of them.
    #[serde(default = "trials")]
    pub trials: u32,
    /// Seed of the choices. The same seed and the same results give the same trials.
    #[serde(default)]
    pub seed: u32,
    /// Part of the steps after which a trial pauses and its preview is compared with the reference, from 0 to 1. A trial
    /// whose preview is further from it than those of nearly all trials that satisfied the bound is stopped there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_at: Option<f32>,
}

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Goal {
    /// The shortest time among the trials that are close enough to the reference, which is the base itself.
    Fastest {
        /// How the difference to the reference is measured.
        metric: DifferenceMetric,
        /// The smallest mean over the frames that is close enough; higher is closer for all metrics.
        at_least: f64,
    },
    /// The highest rating in stars.
    BestRated,
}

fn trials() -> u32 {
    TRIALS
}

impl GuidedSearch {
    /// A search with the usual number of trials.
    pub fn new(goal: Goal) -> Self {
        Self { goal, trials: TRIALS, seed: 0, check_at: None }
    }

    /// Whether the base itself is run first, to compare the trials with it.
    pub fn has_reference(&self) -> bool {
        matches!(self.goal, Goal::Fastest { .. })
    }

    /// Fails if a number is out of range, or if an axis changes what has to stay for the comparison with the reference.
    pub(in crate::sweep) fn check(&self, axes: &[Axis]) -> Result<()> {
        if !(1..=MAX_TRIALS).contains(&self.trials) {
            return Err(wrong(
                &format!("it has {} trials", self.trials),
                &format!("Choose 1 to {MAX_TRIALS} trials"),
            ));
        }
        if let Some(part) = self.check_at {
            if !(part > 0.0 && part < 1.0) {
                return Err(wrong(
                    &format!("check_at is {part}"),
                    "Give a part of the steps between 0 and 1, such as 0.5",
                ));
            }
            if !self.has_reference() {
                return Err(wrong(
                    "previews are compared with the reference, and a search by ratings has none",
                    "Leave check_at out",
                ));
            }
        }
        if let Goal::Fastest { at_least, .. } = self.goal
            && !at_least.is_finite()
        {
            return Err(wrong(&format!("the bound is {at_least}"), "Give a number"));
        }
        let mut fields = axes.iter().flat_map(Axis::fields);
        match fields.find(|field| matches!(field, SweepField::Size | SweepField::Frames | SweepField::Fps)) {
            Some(field) if self.has_reference() => Err(wrong(
                &format!("{field} changes the frames, which are compared with the reference"),
                "Remove this axis",
            )),
            _ => Ok(()),
        }
    }

    /// The steps after which a trial of `draft` pauses to be checked.
    pub(in crate::sweep) fn check_step(&self, draft: &Draft) -> Option<u32> {
        let part = self.check_at?;
        (draft.steps > 1).then(|| ((part * draft.steps as f32).ceil() as u32).clamp(1, draft.steps - 1))
    }

    /// What is looked for, in words.
    pub fn goal_words(&self) -> String {
        match self.goal {
            Goal::Fastest { metric, at_least } => {
                format!("shortest time with {} of at least {}", metric.label(), metric.text(at_least))
            }
            Goal::BestRated => "highest rating".to_owned(),
        }
    }
}

fn wrong(why: &str, remedy: &str) -> Error {
    Error::new(Kind::Input, format!("The search cannot be made: {why}")).field("search").remedy(remedy)
}
