//! Large latents to frames with graphs that compute in bands of rows.

use std::time::Instant;

use ndarray::{ArrayD, Axis, Slice};

use super::context::RunContext;
use super::decode::{FrameSink, frames_from_chunk};
use super::reporter::StageStep;
use crate::core::{Error, Kind, Result, Secs, Stage};
use crate::engine::{Input, Session, StateTensor, Tensor};

/// The caches that the graph of the first call made, named as those of the later calls.
pub(super) fn caches(made: impl Iterator<Item = Tensor>) -> Vec<StateTensor> {
    let cache = |(index, value)| StateTensor {
        input: format!("cache_in_{index}"),
        output: format!("cache_out_{index}"),
        value,
    };
    made.enumerate().map(cache).collect()
}

/// The decode of one latent frame.
struct Step {
    index: usize,
    began: Instant,
}

/// A decode of `latent` `[1, z, T, h, w]`, one latent frame after the other.
pub(super) struct BandedDecode<'a, 'f> {
    latent: &'a ArrayD<f32>,
    frames: FrameSink<'f>,
    caches: Vec<StateTensor>,
}

impl<'a, 'f> BandedDecode<'a, 'f> {
    pub(super) fn new(latent: &'a ArrayD<f32>, frames: FrameSink<'f>) -> Self {
        Self { latent, frames, caches: Vec::new() }
    }

    /// Decodes the first latent frame with the session of its graph.
    pub(super) fn first(&mut self, session: &mut Session, context: &mut RunContext<'_>) -> Result<()> {
        let began = Instant::now();
        let cells = self.cells(0);
        let results = session.run(vec![("latent", Input::F32(cells.view()))], context.cancel)?;
        let mut results = results.into_iter();
        let chunk =
            results.next().ok_or_else(|| Error::new(Kind::Bug, "The VAE decoder returned no frames"))?;
        self.caches = caches(results);
        self.pass_on(&chunk, Step { index: 0, began }, context)
    }

    /// Decodes the other latent frames with the session of their graph.
    pub(super) fn later(&mut self, session: &mut Session, context: &mut RunContext<'_>) -> Result<()> {
        for index in 1..self.latent.shape()[2] {
            let began = Instant::now();
            let cells = self.cells(index);
            let caches = std::mem::take(&mut self.caches);
            let inputs = vec![("latent", Input::F32(cells.view()))];
            let (chunk, caches) = session.run_in_place(inputs, caches, "frames", context.cancel)?;
            self.caches = caches;
            self.pass_on(&chunk, Step { index, began }, context)?;
        }
        Ok(())
    }

    fn cells(&self, index: usize) -> ArrayD<f32> {
        self.latent.slice_axis(Axis(2), Slice::from(index..=index)).as_standard_layout().into_owned()
    }

    fn pass_on(
        &mut self,
        chunk: &Tensor,
        Step { index, began }: Step,
        context: &mut RunContext<'_>,
    ) -> Result<()> {
        frames_from_chunk(&chunk.view()?).into_iter().try_for_each(&mut *self.frames)?;
        let count = self.latent.shape()[2] as u32;
        let done = StageStep { stage: Stage::Decode, step: index as u32 + 1, of: count };
        context.reporter.step_done(done, Secs::from(began.elapsed()));
        Ok(())
    }
}
