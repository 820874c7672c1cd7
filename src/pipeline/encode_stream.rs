//! Images to latents with graphs that were built here: a stream of chunks, in tiles.

use std::time::Instant;

use ndarray::{ArrayD, Axis, Slice, concatenate};

use super::context::RunContext;
use super::decode::bind_caches;
use super::decode_bands::caches;
use super::encode_image::{CHUNK, Given, pixels, size_of};
use super::reporter::StageStep;
use super::stitch::Canvas;
use crate::core::{CancelToken, Error, Kind, Result, Secs, Stage};
use crate::engine::{Input, Session, Tensor};
use crate::wan::graphs::{CacheSpec, StreamCall};
use crate::wan::tiles::Tiling;

/// An encoder of two graphs, one for the first frame and one for each four frames after it.
pub(super) struct StreamEncoder<'a> {
    /// What either graph carries from one chunk to the next.
    pub(super) caches: &'a [CacheSpec],
    /// Pixels folded into one cell before the encoder (`patch_size`).
    pub(super) patch: usize,
    /// Pixels of a latent cell.
    pub(super) stride: usize,
    /// Size of the tiles in latent cells; none for the whole image at once.
    pub(super) tile: Option<usize>,
    /// Whether the graphs compute in bands, and the first takes no caches.
    pub(super) in_bands: bool,
    /// Loads the graph of a chunk.
    pub(super) load: &'a dyn Fn(StreamCall, &mut RunContext<'_>) -> Result<Session>,
}

impl StreamEncoder<'_> {
    /// The latents `[1, z, T, h, w]` of videos that are grey where no image is given.
    pub(super) fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<ArrayD<f32>>> {
        let size = size_of(videos)?;
        let tiling = Tiling::new(size.map(|pixels| pixels / self.stride), self.tile);
        let fresh = || tiling.places().map(|_| self.zeros(tiling.tile())).collect::<Result<Vec<_>>>();
        let mut kept = videos.iter().map(|_| fresh()).collect::<Result<Vec<_>>>()?;
        let count = (frames - 1) / CHUNK + 1;
        let mut latents = vec![Vec::with_capacity(count); videos.len()];
        let mut session = (self.load)(StreamCall::First, context)?;
        for chunk in 0..count {
            let began = Instant::now();
            if chunk == 1 {
                drop(session);
                session = (self.load)(StreamCall::Later, context)?;
            }
            let range = if chunk == 0 { 0..1 } else { chunk * CHUNK - (CHUNK - 1)..chunk * CHUNK + 1 };
            for ((given, kept), latents) in videos.iter().zip(&mut kept).zip(&mut latents) {
                let pixels = pixels(given, &range, size)?;
                latents.push(if self.in_bands {
                    chunk_in_bands(&mut session, &pixels, kept, context.cancel)?
                } else {
                    self.chunk(&mut session, &tiling, &pixels, kept, context.cancel)?
                });
            }
            let done = StageStep { stage: Stage::Image, step: chunk as u32 + 1, of: count as u32 };
            context.reporter.step_done(done, Secs::from(began.elapsed()));
        }
        let join = |parts: &Vec<ArrayD<f32>>| {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(2), &views)
                .map_err(|error| Error::new(Kind::Bug, "The encoded frames differ in size").because(error))
        };
        latents.iter().map(join).collect()
    }

    /// The latent frame of one chunk of pixels, tile by tile; `kept` are each tile's caches.
    fn chunk(
        &self,
        session: &mut Session,
        tiling: &Tiling,
        pixels: &ArrayD<f32>,
        kept: &mut [Vec<Tensor>],
        cancel: &CancelToken,
    ) -> Result<ArrayD<f32>> {
        let mut bound = session.bind()?;
        let mut canvas = Canvas::new(tiling);
        for (place, kept) in tiling.places().zip(kept) {
            let [rows, columns] =
                tiling.ranges(place).map(|cells| cells.start * self.stride..cells.end * self.stride);
            let tile = pixels
                .slice_axis(Axis(3), Slice::from(rows))
                .slice_axis_move(Axis(4), Slice::from(columns))
                .as_standard_layout()
                .into_owned();
            bound.set("frames", Input::F32(tile.view()))?;
            bind_caches(&mut bound, std::mem::take(kept).iter())?;
            let mut results = session.run_bound(&mut bound, cancel)?.into_iter();
            let Some(latent) = results.next() else {
                return Err(Error::new(Kind::Bug, "The VAE encoder returned no latent"));
            };
            *kept = results.collect();
            canvas.add(place, &latent.view()?)?;
        }
        canvas.finish()
    }

    /// The initial caches of a tile of this size in cells; none in bands.
    fn zeros(&self, [height, width]: [usize; 2]) -> Result<Vec<Tensor>> {
        if self.in_bands {
            return Ok(Vec::new());
        }
        let zeros = |cache: &CacheSpec| {
            let side = |cells: usize| (cells * self.stride / self.patch) >> cache.level;
            Tensor::zeros(&[1, cache.channels, cache.frames, side(height), side(width)])
        };
        self.caches.iter().map(zeros).collect()
    }
}

/// The latent frame of one chunk of pixels in bands; `kept` are the caches, none before the first chunk.
fn chunk_in_bands(
    session: &mut Session,
    pixels: &ArrayD<f32>,
    kept: &mut [Vec<Tensor>],
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let none = || Error::new(Kind::Bug, "The VAE encoder returned no latent");
    let kept = kept.first_mut().ok_or_else(none)?;
    let inputs = vec![("frames", Input::F32(pixels.view()))];
    if kept.is_empty() {
        let mut results = session.run(inputs, cancel)?.into_iter();
        let latent = results.next().ok_or_else(none)?;
        *kept = results.collect();
        return Ok(latent.view()?.to_owned());
    }
    let state = caches(std::mem::take(kept).into_iter());
    let (latent, state) = session.run_in_place(inputs, state, "latent", cancel)?;
    *kept = state.into_iter().map(|cache| cache.value).collect();
    Ok(latent.view()?.to_owned())
}
