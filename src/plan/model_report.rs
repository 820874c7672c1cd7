//! What a model can do, and what it needs on this machine with its own defaults.

use serde::Serialize;

use super::document::StageMemoryDocument;
use super::model_fit::{MemoryFit, ModelFit};
use super::planner::Planner;
use crate::core::{FrameCount, Mode, Result, StepCount, Subject};
use crate::models::{Installed, publisher};

/// Answers to what people ask about a model before they use it.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// Named sizes of an official model, smallest first; empty for others, which take any size.
    pub sizes: Vec<String>,
    /// Multiple of frames to which one is added.
    pub frame_multiple: u32,
    /// Frames of a new form.
    pub default_frames: FrameCount,
    /// Steps of a new form.
    pub default_steps: StepCount,
    /// Whether LoRAs can be applied.
    pub lora: bool,
    /// Number of experts.
    pub experts: u32,
    /// Who published it, if it comes from a hub.
    pub publisher: Option<String>,
    /// Whether the free memory is enough: `fits`, `tight` or `too_large`.
    pub fit: MemoryFit,
    /// Main memory of each stage with the model's own defaults; empty if a GPU computes.
    pub memory: Vec<StageMemoryDocument>,
    /// Memory of the GPU of each stage; empty on the CPU.
    pub device: Vec<StageMemoryDocument>,
    /// Changes with which it would fit, in words.
    pub fits_with: Vec<String>,
}

impl ModelReport {
    /// Whether it fits this machine, and with which changes it would, in words.
    pub fn fit_words(&self) -> String {
        let with = self.fits_with.join("; or ");
        match self.fit {
            MemoryFit::Fits => "fits this machine".to_owned(),
            MemoryFit::Tight if with.is_empty() => "fits this machine, but tightly".to_owned(),
            MemoryFit::TooLarge if with.is_empty() => "does not fit this machine".to_owned(),
            MemoryFit::Tight => format!("fits this machine, but tightly; better: {with}"),
            MemoryFit::TooLarge => format!("fits this machine only with: {with}"),
        }
    }

    /// What it is made of, in words.
    pub fn build_words(&self) -> String {
        let loras = if self.lora { "LoRAs can be applied" } else { "no LoRAs" };
        let experts = if self.experts == 2 { "two experts" } else { "one transformer" };
        format!("{loras}; {experts}")
    }
}

impl Planner {
    /// What there is to know about a usable model. Reads headers and measures memory, so call it where waiting is allowed.
    pub fn model_report(&self, model: &Installed) -> Result<ModelReport> {
        let limits = model.limits.as_ref().map_err(Clone::clone)?;
        let mode = limits.modes.first().copied().unwrap_or(Mode::T2V);
        let draft = self.catalog().defaults(model, mode)?;
        let profile = self.catalog().profiles.of(mode, model.family);
        let (ModelFit { fit, .. }, preflight) = self.model_preflight(model)?;
        let of_memory = preflight.findings.iter().filter(|finding| finding.subject == Subject::Memory);
        let stages = |stages: &[_]| stages.iter().map(StageMemoryDocument::new).collect();
        let sizes = profile.map(|profile| &profile.sizes[..]).unwrap_or_default();
        let experts = model.info.iter().flat_map(|info| &info.components);
        let experts =
            experts.filter(|component| component.role_source.is_some() && component.role.ends_with("expert"));
        Ok(ModelReport {
            sizes: sizes.iter().map(|class| format!("{} ({})", class.name, class.size)).collect(),
            frame_multiple: limits.strides.temporal,
            default_frames: FrameCount(draft.frames),
            default_steps: StepCount(draft.steps),
            lora: limits.lora,
            experts: experts.count().max(1) as u32,
            publisher: publisher(model),
            fit,
            memory: stages(&preflight.memory),
            device: stages(&preflight.device),
            fits_with: of_memory.flat_map(crate::core::Finding::suggestions).collect(),
        })
    }
}
