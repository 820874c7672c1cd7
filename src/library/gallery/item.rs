//! One entry of the gallery.

use std::path::PathBuf;

use crate::core::{Draft, FrameCount, Mode, Resolution, Secs, Seed, Utc};
use crate::jobs::{EndStatus, HistoryEntry};
use crate::presets::Preset;

/// Highest rating; 0 means that an item was not rated.
pub(crate) const MAX_RATING: u8 = 5;

/// One ended job, as the gallery shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct GalleryItem {
    /// The history entry's id, which also names its rating.
    pub id: String,
    /// Number of the job in the queue; 0 if the entry was rebuilt from its video.
    pub job: u64,
    /// How the job ended.
    pub status: EndStatus,
    /// The prompt as it was given.
    pub prompt: String,
    /// The mode that ran.
    pub mode: Option<Mode>,
    /// Id of the model that ran.
    pub model: String,
    /// Name of the preset with the same settings, whatever the size and length.
    pub preset: Option<String>,
    /// Seed of the starting noise, if the settings can still be read.
    pub seed: Option<Seed>,
    /// Width and height in pixels.
    pub size: Option<Resolution>,
    /// Frames of the video.
    pub frames: Option<FrameCount>,
    /// Denoising steps.
    pub steps: Option<u32>,
    /// When the job ended.
    pub ended: Utc,
    /// From the start of validation to the checked file.
    pub generation_time: Option<Secs>,
    /// The video, GIF, image or folder of frames; none where a job made no file.
    pub output: Option<PathBuf>,
    /// Whether the output is still on disk.
    pub exists: bool,
    /// Stars from 1 to 5; 0 means not rated.
    pub rating: u8,
    /// Why the job failed, one sentence.
    pub failure: Option<String>,
    /// The complete settings, for reuse; none if this version cannot read them.
    pub draft: Option<Draft>,
    /// Prompt, negative prompt, model and file name in lower case, for searching.
    pub(super) search_text: String,
}

impl GalleryItem {
    /// The item of a history entry. `exists` says whether its output is on disk.
    pub fn new(entry: &HistoryEntry, rating: u8, exists: bool) -> Self {
        let draft = entry.draft();
        let of_draft = draft.as_ref();
        let file_name = entry.output.as_ref().and_then(|path| path.file_name());
        let search_text = [
            entry.prompt.as_str(),
            of_draft.map_or("", |draft| &draft.negative_prompt),
            &entry.model,
            &file_name.map(|name| name.to_string_lossy()).unwrap_or_default(),
        ]
        .join("\n")
        .to_lowercase();
        Self {
            id: entry.id.clone(),
            job: entry.job,
            status: entry.status,
            prompt: entry.prompt.clone(),
            mode: entry.mode,
            model: entry.model.clone(),
            preset: None,
            seed: of_draft.map(|draft| Seed(draft.seed)),
            size: of_draft.map(|draft| draft.size),
            frames: of_draft.map(|draft| FrameCount(draft.frames)),
            steps: of_draft.map(|draft| draft.steps),
            ended: entry.ended,
            generation_time: entry.generation_time_s,
            output: entry.output.clone(),
            exists,
            rating: rating.min(MAX_RATING),
            failure: entry.error.as_ref().map(|error| error.message.clone()),
            draft,
            search_text,
        }
    }

    /// Finds the preset whose settings made the item.
    #[must_use]
    pub fn with_preset(self, presets: &[Preset]) -> Self {
        let found = self.draft.as_ref().and_then(|draft| {
            presets.iter().find(|preset| {
                preset.is_complete() && preset.is_made_for(&self.model) && has_settings(draft, preset)
            })
        });
        Self { preset: found.map(|preset| preset.name.clone()), ..self }
    }
}

/// Whether a draft samples as a preset does.
fn has_settings(draft: &Draft, preset: &Preset) -> bool {
    let settings = preset.draft("");
    let low = |draft: &Draft| draft.guidance_low.unwrap_or(draft.guidance);
    draft.step_list == settings.step_list
        && (draft.steps, draft.sampler, draft.shift) == (settings.steps, settings.sampler, settings.shift)
        && (draft.guidance, low(draft)) == (settings.guidance, low(&settings))
}
