//! What the planner is asked for, and what it gives.

use std::fmt;
use std::path::PathBuf;

use super::changes::DraftChanges;
use super::route::Route;
use crate::core::{Draft, Resolution, Result};
use crate::jobs::{JobSpec, Priority};
use crate::media::Existing;
use crate::models::Installed;

/// What the user's changes start from.
#[derive(Clone, Debug, Default)]
pub enum Base {
    /// The defaults of the model that is asked for, else of the one that the router chooses.
    #[default]
    New,
    /// A preset by its name.
    Preset(String),
    /// A draft as it is: the form of the window, or one saved with a video.
    Draft {
        /// The draft.
        draft: Box<Draft>,
        /// Why it has its model, half a sentence.
        reason: String,
    },
    /// A job that exists. What is not changed stays, its options and its seed included.
    Job(Box<JobSpec>),
}

/// What belongs to a job beside its draft. `None` leaves it to the settings, or to the job that is changed.
#[derive(Clone, Debug, Default)]
pub struct JobOptions {
    /// Where the video goes; a folder that exists takes it in.
    pub output: Option<PathBuf>,
    /// What happens if the output exists.
    pub existing: Option<Existing>,
    /// Where the final latents go.
    pub latents_out: Option<PathBuf>,
    /// Time limit in seconds; 0 for none.
    pub timeout_s: Option<u64>,
    /// Models that may take the job over, by id.
    pub fallbacks: Option<Vec<String>>,
    /// Which jobs come first.
    pub priority: Option<Priority>,
    /// Whether previews are drawn while it runs.
    pub preview: bool,
}

/// One job to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// What the changes start from.
    pub base: Base,
    /// The changes.
    pub changes: DraftChanges,
    /// What belongs to the job beside its draft.
    pub options: JobOptions,
    /// Size of the start image or clip among the changes, or why it cannot be read. Without it, the size of the video
    /// does not follow the image.
    pub image_size: Option<Result<Resolution>>,
}

/// What chose mode and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The router.
    Route(Route),
    /// The person, as this half sentence says.
    Person(String),
}

impl ChosenBy {
    /// The same, and that the model brings its own settings if it is distilled.
    pub(super) fn because_of(self, model: &Installed) -> Self {
        let Some(distilled) = model.info.as_ref().and_then(|info| info.distilled.as_ref()) else {
            return self;
        };
        let reason = format!("{} is {distilled}, and the form has these settings", model.id);
        match self {
            Self::Route(mut route) => {
                route.reasons.push(reason);
                Self::Route(route)
            }
            Self::Person(first) => Self::Person(format!("{first}; {reason}")),
        }
    }

    /// Why the job has its mode and model: each reason is half a sentence.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Route(route) => route.reasons.clone(),
            Self::Person(reason) => vec![reason.clone()],
        }
    }
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons().join("; "))
    }
}

/// A draft with its model, not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Drafted {
    /// The draft.
    pub draft: Draft,
    /// What chose its model.
    pub chosen_by: ChosenBy,
}

/// A job that can be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedJob {
    /// The job's specification.
    pub spec: JobSpec,
    /// What chose its mode and model.
    pub chosen_by: ChosenBy,
}
