//! The settings in which compared videos differ.

use serde::Serialize;

use super::video::ComparedVideo;
use crate::core::Draft;
use crate::plan::DraftField;

/// A value for a video without known settings.
const UNKNOWN: &str = "unknown";

/// One setting with its value for each video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingRow {
    /// Name of the setting on screen.
    pub name: &'static str,
    /// Its value in words, one for each video.
    pub values: Vec<String>,
}

/// A name and the value in words.
type Named = (&'static str, fn(&Draft) -> String);

/// What is not a field of presets.
const OTHERS: [Named; 6] = [
    ("Prompt", |draft| draft.prompt.clone()),
    ("Mode", |draft| draft.mode.map_or_else(|| "auto".to_owned(), |mode| mode.to_string())),
    ("Start image", |draft| path(draft.start_image.as_ref())),
    ("End image", |draft| path(draft.end_image.as_ref())),
    ("Continues", |draft| path(draft.continue_from.as_ref())),
    ("Seed", |draft| draft.seed.to_string()),
];

/// The settings that are not the same for all videos.
pub fn differing_settings(videos: &[ComparedVideo]) -> Vec<SettingRow> {
    let drafts: Vec<Option<&Draft>> = videos.iter().map(|video| video.draft.as_ref()).collect();
    let row = |name, value: &dyn Fn(&Draft) -> String| {
        let of = |draft: Option<&Draft>| draft.map_or_else(|| UNKNOWN.to_owned(), value);
        SettingRow { name, values: drafts.iter().copied().map(of).collect() }
    };
    let others = OTHERS
        .iter()
        .map(|(name, value)| row(*name, value))
        .filter(|row| row.values.iter().any(|value| *value != row.values[0]));
    let fields = DraftField::ALL.into_iter().filter(|field| {
        let known: Vec<&Draft> = drafts.iter().copied().flatten().collect();
        known.iter().any(|draft| !field.is_same(known[0], draft))
    });
    let fields = fields.map(|field| row(field.label(), &|draft| field.value(draft)));
    others.chain(fields).collect()
}

fn path(path: Option<&std::path::PathBuf>) -> String {
    path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}
