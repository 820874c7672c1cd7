//! What a job was asked to do: a frozen copy of the form.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fallback::Fallback;
use super::group::JobGroup;
use crate::core::{Draft, Error, Kind, Result, Secs};
use crate::media::Existing;
use crate::models::{self, RoleHints};
use crate::wan::Checkpoint;

/// Which jobs run first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Runs when no other job is queued.
    Low,
    /// Runs in the order of the queue.
    #[default]
    Normal,
    /// Runs before all others; a running job yields after its current step.
    Urgent,
}

/// Everything a job needs to know: the form, the model and the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The form when the job was added.
    pub draft: Draft,
    /// Folder of the model.
    pub model: PathBuf,
    /// Path of the video.
    pub output: PathBuf,
    /// What to do if the output exists already.
    #[serde(default)]
    pub existing: Existing,
    /// Path for the final latents, if they are wanted.
    #[serde(default)]
    pub latents_out: Option<PathBuf>,
    /// Whether previews are made while it runs.
    #[serde(default)]
    pub preview: bool,
    /// Time limit in seconds.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// Which jobs run first.
    #[serde(default)]
    pub priority: Priority,
    /// Models to try if the first cannot be used, in this order.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// The `uid` of a job whose latents are reused if this job would make the same ones.
    #[serde(default)]
    pub latents_of: Option<String>,
    /// The group that it belongs to, such as a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<JobGroup>,
    /// Number of steps after which it pauses as a draft, until the user resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_steps: Option<u32>,
}

impl JobSpec {
    /// A job of normal priority that takes the next free output name.
    pub fn new(draft: Draft, model: PathBuf, output: PathBuf) -> Self {
        Self {
            draft,
            model,
            output,
            existing: Existing::NextFree,
            latents_out: None,
            preview: false,
            timeout_s: None,
            priority: Priority::Normal,
            fallbacks: Vec::new(),
            latents_of: None,
            group: None,
            draft_steps: None,
        }
    }

    /// Opens its model with the files chosen for components, and what the data folder remembers of experts.
    pub(crate) fn open_model(&self, data_dir: Option<&Path>) -> Result<Checkpoint> {
        let hints = RoleHints::new(data_dir, &self.draft.components);
        models::open_with(&self.model, hints).or_else(|error| {
            // since the job was queued, more models may have come into its folder
            let named = self.model.join(&self.draft.model);
            let is_ambiguous = error.kind == Kind::Input && self.model.is_dir();
            if is_ambiguous { models::open_with(&named, hints).or(Err(error)) } else { Err(error) }
        })
    }

    /// The model's id; the name of its folder if the form names a folder.
    pub fn model_name(&self) -> String {
        if Path::new(&self.draft.model).is_absolute() {
            return self.model.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        self.draft.model.clone()
    }

    /// The time that it may run; none for no limit.
    pub fn time_limit(&self) -> Option<Secs> {
        self.timeout_s.map(|seconds| Secs(seconds as f64))
    }

    /// Fails with [`Kind::Input`] if the settings cannot be stored: numbers that are infinite or not a number, and paths
    /// that are not UTF-8.
    pub fn check_storable(&self) -> Result<()> {
        let Draft { guidance, guidance_low, shift, step_list, boundary, loras, components, .. } = &self.draft;
        let refuse = |field: &'static str, message: String, remedy: &str| {
            Err(Error::new(Kind::Input, message).field(field).remedy(remedy))
        };
        let numbers = [("guidance", *guidance), ("shift", *shift)].into_iter();
        let numbers = numbers
            .chain(guidance_low.map(|low| ("guidance_low", low)))
            .chain(boundary.map(|boundary| ("boundary", boundary)))
            .chain(loras.iter().map(|lora| ("lora", lora.strength)))
            .chain(step_list.iter().flat_map(|list| &list.0).map(|&step| ("step_list", step)));
        for (field, value) in numbers {
            if !value.is_finite() {
                return refuse(
                    field,
                    format!("{field} is {value}, which is not a finite number"),
                    "Give a number",
                );
            }
        }
        let paths = [("model", Some(&self.model)), ("output", Some(&self.output))].into_iter();
        let paths = paths
            .chain([("latents_out", self.latents_out.as_ref())])
            .chain([("start_image", self.draft.start_image.as_ref())])
            .chain([("end_image", self.draft.end_image.as_ref())])
            .chain([("continue_from", self.draft.continue_from.as_ref())])
            .chain([("latents_in", self.draft.latents_in.as_ref())])
            .chain([("vae", components.vae.as_ref()), ("text_encoder", components.text_encoder.as_ref())])
            .chain([("high", components.high.as_ref()), ("low", components.low.as_ref())])
            .chain(loras.iter().map(|lora| ("lora", Some(&lora.file))));
        for (field, path) in paths {
            if let Some(path) = path.filter(|path| path.to_str().is_none()) {
                let message = format!("The path is not UTF-8 and cannot be stored: {}", path.display());
                return refuse(field, message, "Rename the file or folder");
            }
        }
        Ok(())
    }
}
