//! What says which file plays which role, beside the files' names and content.

use std::path::Path;

use crate::core::ComponentFiles;

/// No file was chosen.
const NONE_CHOSEN: &ComponentFiles = &ComponentFiles { vae: None, text_encoder: None, high: None, low: None };

/// The choices of a person, now and earlier.
#[derive(Clone, Copy, Debug)]
pub struct RoleHints<'a> {
    /// Files that were chosen for components.
    pub(super) chosen: &'a ComponentFiles,
    /// The data folder, which remembers experts by their content; `None` if nothing is remembered.
    pub(super) data_dir: Option<&'a Path>,
}

impl<'a> RoleHints<'a> {
    /// The files `chosen`, and what the data folder remembers, if there is one.
    pub fn new(data_dir: Option<&'a Path>, chosen: &'a ComponentFiles) -> Self {
        Self { chosen, data_dir }
    }

    /// What the data folder remembers.
    pub fn remembered(data_dir: &'a Path) -> Self {
        Self::new(Some(data_dir), NONE_CHOSEN)
    }
}

impl RoleHints<'static> {
    /// Names and content alone.
    pub const NONE: Self = Self { chosen: NONE_CHOSEN, data_dir: None };
}
