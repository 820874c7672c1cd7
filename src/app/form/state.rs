//! What undo brings back and what survives a restart: the draft, and what the program knows of how it came about.

use serde::{Deserialize, Serialize};

use crate::core::{Draft, Mode, Resolution};

/// Where the seed of the next video comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::app) enum SeedMode {
    /// Another one for each video.
    #[default]
    Random,
    /// The one in the form.
    Fixed,
}

/// What the program knows of a draft beside its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::app) struct FormContext {
    /// Why the form has its model and mode.
    pub(in crate::app) reason: String,
    /// The preset that was applied last; none if the model's own defaults count.
    pub(in crate::app) preset: Option<String>,
    /// Whether the user chose the model, instead of leaving it to the inputs.
    pub(in crate::app) is_model_chosen: bool,
    /// The mode that the router put into the draft for a model that offers several.
    pub(in crate::app) routed_mode: Option<Mode>,
    /// The size that the program chose for the draft; a different one was entered by the user.
    pub(in crate::app) given_size: Option<Resolution>,
    /// Where the seed of the next video comes from.
    pub(in crate::app) seed_mode: SeedMode,
    /// Number of videos that are queued at once.
    pub(in crate::app) num_videos: u32,
    /// Time limit of the jobs in seconds, 0 for none; `None` for that of the settings.
    pub(in crate::app) timeout_s: Option<u64>,
}

impl Default for FormContext {
    fn default() -> Self {
        Self {
            reason: String::new(),
            preset: None,
            is_model_chosen: false,
            routed_mode: None,
            given_size: None,
            seed_mode: SeedMode::default(),
            num_videos: 1,
            timeout_s: None,
        }
    }
}

/// Everything that the user can change in the form.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct FormState {
    /// The values.
    pub(in crate::app) draft: Draft,
    /// How they came about.
    pub(in crate::app) context: FormContext,
}
