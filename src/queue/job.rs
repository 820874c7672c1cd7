//! A job: a frozen copy of the form.

use std::path::PathBuf;

use crate::core::Draft;
use crate::media::Target;

/// Tells jobs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId(pub u64);

/// What to do and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The form as it was.
    pub draft: Draft,
    /// Folder of the model.
    pub model: PathBuf,
    /// Where the video goes.
    pub target: Target,
    /// Where the final latent goes, if anywhere.
    pub latents_out: Option<PathBuf>,
    /// Whether somebody watches it being made.
    pub preview: bool,
}
