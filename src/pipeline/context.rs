//! What every stage of a run shares.

use super::cache::TensorCache;
use super::encode_image::InputImages;
use super::networks::SessionCache;
use super::reporter::Reporter;
use crate::core::{CancelToken, Faults, GenRequest, Result, Stage};

/// What every stage of a run shares: where events go, what stops it, and what earlier runs left.
pub struct RunContext<'a> {
    /// Takes the events.
    pub reporter: Reporter<'a>,
    /// Stops the run.
    pub cancel: &'a CancelToken,
    /// Encoded prompts and images, and preview maps, of earlier runs.
    pub cache: &'a mut dyn TensorCache,
    /// Sessions that are loaded.
    pub sessions: &'a mut SessionCache,
    /// Injected faults.
    pub faults: &'a Faults,
}

impl RunContext<'_> {
    /// Runs `work` as `stage`, with an event when it begins and, if it succeeds, one when it ends.
    pub fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let began = self.reporter.stage_started(stage);
        let result = work(self)?;
        self.reporter.stage_finished(stage, began);
        Ok(result)
    }

    /// Runs `work` without sending its events.
    pub(super) fn quietly<T>(&mut self, work: impl FnOnce(&mut RunContext<'_>) -> T) -> T {
        work(&mut RunContext {
            reporter: Reporter::new(&mut |_| {}),
            cancel: self.cancel,
            cache: &mut *self.cache,
            sessions: &mut *self.sessions,
            faults: self.faults,
        })
    }
}

/// What a video is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The settings.
    pub request: &'a GenRequest,
    /// The start and end image, at the video's size.
    pub images: &'a InputImages,
    /// Prompts of the jobs that follow with the same text encoder; some are encoded ahead while it is loaded.
    pub upcoming: &'a [String],
}
