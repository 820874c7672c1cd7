//! What is known about a trial, and its value for the goal.

use serde::{Deserialize, Serialize};

use super::definition::Goal;
use crate::core::Secs;
use crate::jobs::JobStatus;

/// What a search found out about a trial; saved with the sweep, so that nothing is measured twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrialNote {
    /// Time of the steps and of decoding; the steps before a restart count like those after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Secs>,
    /// Difference to the reference in the metric of the goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// PSNR of the preview and the reference in dB, at the check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_psnr: Option<f64>,
    /// Whether its preview was compared with the reference.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_checked: bool,
    /// Whether the search stopped it at its check.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_stopped: bool,
}

impl TrialNote {
    /// Whether the difference satisfies the bound; `None` while it is not known, and without a bound.
    pub fn satisfies(&self, goal: Goal) -> Option<bool> {
        let Goal::Fastest { at_least, .. } = goal else { return None };
        self.difference.map(|difference| difference >= at_least)
    }
}

/// A trial that ended, as the search sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial<'a> {
    /// Its place on each axis.
    pub(super) place: &'a [u32],
    pub(super) note: TrialNote,
    pub(super) status: JobStatus,
    /// Its rating, 0 for none.
    pub(super) stars: u8,
}

/// What each trial is worth, the smaller the better; `None` for one that says nothing yet.
///
/// Trials that miss the bound come after all that satisfy it, ordered by how far they miss it; then those that were
/// stopped, then those that failed. The search uses the order only.
pub(super) fn losses(goal: Goal, trials: &[Trial<'_>]) -> Vec<Option<f64>> {
    let seconds = trials.iter().filter_map(|trial| Some(trial.note.seconds?.0));
    let longest = seconds.fold(1.0, f64::max);
    let loss = |trial: &Trial<'_>| match goal {
        _ if trial.note.is_stopped => Some(3.0 * longest),
        _ if trial.status == JobStatus::Failed => Some(4.0 * longest),
        _ if trial.status != JobStatus::Done => None,
        Goal::Fastest { at_least, .. } => {
            let (Secs(seconds), difference) = (trial.note.seconds?, trial.note.difference?);
            if difference >= at_least {
                return Some(seconds);
            }
            let missed = (at_least - difference) / at_least.abs().max(1e-9);
            Some(longest * (1.0 + missed / (1.0 + missed)))
        }
        Goal::BestRated => (trial.stars > 0).then(|| -f64::from(trial.stars)),
    };
    trials.iter().map(loss).collect()
}
