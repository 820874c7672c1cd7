//! The group that a job belongs to: the cells of a sweep, or the drafts of one prompt.

use serde::{Deserialize, Serialize};

/// The group of a job, and the place of the job in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobGroup {
    /// Identifies the group among all groups anywhere.
    pub id: String,
    /// Its name, as people read it.
    pub name: String,
    /// Coordinates of the job's cell: the place of its value on each axis, counted from 0.
    #[serde(default)]
    pub cell: Vec<u32>,
    /// Whether its time is compared with those of the others, so that it computes every step itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_timed: bool,
    /// The boundaries of all cells, where they differ; `None` stands for the model's own. The state at each of them is
    /// shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boundaries: Vec<Option<f32>>,
}
