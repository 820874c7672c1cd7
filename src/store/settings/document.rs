//! The documents that `wandeck settings --json` prints.

use std::path::Path;

use serde::Serialize;

use super::import::Imported;
use super::sections::Settings;

/// All settings.
#[derive(Clone, Debug, Serialize)]
pub struct SettingsDocument<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// What is wrong with the file, a sentence each.
    pub notes: &'a [String],
}

/// What was imported from another program's settings.
#[derive(Clone, Debug, Serialize)]
pub struct ImportDocument<'a> {
    /// The settings after the import.
    pub settings: &'a Settings,
    /// What was imported and what was not.
    #[serde(flatten)]
    pub imported: &'a Imported,
}

/// Where the settings are.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SettingsPathDocument<'a> {
    /// The file.
    pub path: &'a Path,
}
