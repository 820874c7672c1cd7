//! What the saved state of a paused job shows, without running anything.

use std::path::Path;

use ndarray::ArrayD;

use super::resume_points::work_path;
use super::state_file::read_latents;
use crate::core::{Frame, Result};
use crate::jobs::JobSpec;
use crate::pipeline::kept_preview;
use crate::store::StoredTensors;

/// A small image for each latent frame of the resume point of the job `uid`; `None` if it has no resume point, or if no
/// run has made the preview's map of its VAE yet. Reads the model's headers: call it where waiting is allowed.
pub(crate) fn saved_preview(data_dir: &Path, spec: &JobSpec, uid: &str) -> Result<Option<Vec<Frame>>> {
    let latents: Option<ArrayD<f32>> = read_latents(&work_path(data_dir, uid), spec.draft.sampler);
    let Some(latents) = latents else { return Ok(None) };
    let model = spec.open_model(Some(data_dir))?;
    Ok(kept_preview(&model, &latents, &mut StoredTensors::new(data_dir)))
}
