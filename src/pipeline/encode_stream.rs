//! Images to latents with graphs that were built here: a stream of chunks, in tiles.

use std::ops::Range;
use std::time::Instant;

use ndarray::{ArrayD, Axis, Slice, concatenate};

use super::context::RunContext;
use super::decode::{bind_caches, bind_zero_caches};
use super::decode_bands::caches;
use super::encode_image::{CHUNK, Given, pixels, size_of};
use super::reporter::StageStep;
use super::stitch::Canvas;
use crate::core::{CancelToken, Error, Kind, Result, Secs, Stage};
use crate::engine::{Bound, Input, Session, Tensor};
use crate::onnx::Dtype;
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
        let count = (frames - 1) / CHUNK + 1;
        let latents = if self.in_bands {
            self.chunk_by_chunk(count, videos, context)?
        } else {
            self.tile_by_tile(count, videos, context)?
        };
        let join = |parts: Vec<ArrayD<f32>>| {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(2), &views)
                .map_err(|error| Error::new(Kind::Bug, "The encoded frames differ in size").because(error))
        };
        latents.into_iter().map(join).collect()
    }

    /// The `count` latent frames of each video, chunk after chunk, so that one graph is loaded at a time.
    fn chunk_by_chunk(
        &self,
        count: usize,
        videos: &[Given<'_>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<Vec<ArrayD<f32>>>> {
        let size = size_of(videos)?;
        let mut kept: Vec<_> = videos.iter().map(|_| Vec::new()).collect();
        let mut latents = vec![Vec::with_capacity(count); videos.len()];
        let mut session = (self.load)(StreamCall::First, context)?;
        for chunk in 0..count {
            let began = Instant::now();
            if chunk == 1 {
                drop(session);
                session = (self.load)(StreamCall::Later, context)?;
            }
            for ((given, kept), latents) in videos.iter().zip(&mut kept).zip(&mut latents) {
                let pixels = pixels(given, &frames_of(chunk), size)?;
                latents.push(chunk_in_bands(&mut session, &pixels, kept, context.cancel)?);
            }
            step_done([chunk + 1, count], began, context);
        }
        Ok(latents)
    }

    /// The `count` latent frames of each video, one tile after the other through all chunks: the caches of one tile are
    /// alive at a time, for which both graphs are loaded.
    fn tile_by_tile(
        &self,
        count: usize,
        videos: &[Given<'_>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<Vec<ArrayD<f32>>>> {
        let size = size_of(videos)?;
        let tiling = Tiling::new(size.map(|pixels| pixels / self.stride), self.tile);
        let mut first = (self.load)(StreamCall::First, context)?;
        let mut later = (count > 1).then(|| (self.load)(StreamCall::Later, context)).transpose()?;
        let canvases = || (0..count).map(|_| Canvas::new(&tiling)).collect::<Vec<_>>();
        let mut latents: Vec<_> = videos.iter().map(|_| canvases()).collect();
        let parts = tiling.count() * videos.len();
        let (mut done, mut began) = (0, Instant::now());
        for (given, canvases) in videos.iter().zip(&mut latents) {
            for place in tiling.places() {
                let mut tile = TileInput::of(&first, given, place)?;
                self.bind_zeros(&mut tile.bound, tiling.tile())?;
                for (chunk, canvas) in canvases.iter_mut().enumerate() {
                    self.bind_pixels(&mut tile, &frames_of(chunk), size, &tiling)?;
                    let session = match &mut later {
                        Some(later) if chunk > 0 => later,
                        _ => &mut first,
                    };
                    let mut results = session.run_bound(&mut tile.bound, context.cancel)?.into_iter();
                    let latent = results
                        .next()
                        .ok_or_else(|| Error::new(Kind::Bug, "The VAE encoder returned no latent"))?;
                    if let (0, Some(later)) = (chunk, &later) {
                        tile = TileInput::of(later, given, place)?;
                    }
                    bind_caches(&mut tile.bound, results.collect::<Vec<_>>().iter())?;
                    canvas.add(place, &latent.view()?)?;
                    done += 1;
                    if done % parts == 0 {
                        step_done([done / parts, count], began, context);
                        began = Instant::now();
                    }
                }
            }
        }
        let finish = |canvases: Vec<Canvas<'_>>| canvases.into_iter().map(Canvas::finish).collect();
        latents.into_iter().map(finish).collect()
    }

    /// Sets the pixels of a tile in these frames.
    fn bind_pixels(
        &self,
        tile: &mut TileInput<'_>,
        frames: &Range<usize>,
        size: [usize; 2],
        tiling: &Tiling,
    ) -> Result<()> {
        let is_grey = !tile.given.iter().any(|(at, _)| frames.contains(at));
        if !is_grey {
            let pixels = pixels(tile.given, frames, size)?;
            tile.bound.set("frames", Input::F32(self.cut(&pixels, tiling, tile.place).view()))?;
        } else if !tile.is_grey {
            // grey is 0; one such chunk stays bound for all that follow
            let [height, width] = tiling.tile().map(|cells| cells * self.stride);
            tile.bound.set_zeros([("frames", Dtype::F32, [1, 3, frames.len(), height, width])])?;
        }
        tile.is_grey = is_grey;
        Ok(())
    }

    /// The pixels of the tile at `place`.
    fn cut(&self, pixels: &ArrayD<f32>, tiling: &Tiling, place: [usize; 2]) -> ArrayD<f32> {
        let [rows, columns] =
            tiling.ranges(place).map(|cells| cells.start * self.stride..cells.end * self.stride);
        pixels
            .slice_axis(Axis(3), Slice::from(rows))
            .slice_axis_move(Axis(4), Slice::from(columns))
            .as_standard_layout()
            .into_owned()
    }

    /// Sets the initial caches of a tile of this size in cells.
    fn bind_zeros(&self, bound: &mut Bound, [height, width]: [usize; 2]) -> Result<()> {
        let pixels = [height, width].map(|cells| cells * self.stride / self.patch);
        bind_zero_caches(bound, self.caches, |level| pixels.map(|side| side >> level))
    }
}

/// What a tile gives to one graph: the pixels of a chunk, and the caches of the chunks before it.
struct TileInput<'v> {
    given: &'v Given<'v>,
    place: [usize; 2],
    bound: Bound,
    /// Whether its pixels are set and grey.
    is_grey: bool,
}

impl<'v> TileInput<'v> {
    /// That of the tile at `place` of a video for the graph of `session`, with nothing set.
    fn of(session: &Session, given: &'v Given<'v>, place: [usize; 2]) -> Result<Self> {
        Ok(Self { given, place, bound: session.bind()?, is_grey: false })
    }
}

/// The frames of the video in a chunk: one in the first.
fn frames_of(chunk: usize) -> Range<usize> {
    if chunk == 0 { 0..1 } else { chunk * CHUNK - (CHUNK - 1)..chunk * CHUNK + 1 }
}

fn step_done([step, of]: [usize; 2], began: Instant, context: &mut RunContext<'_>) {
    let done = StageStep { stage: Stage::Image, step: step as u32, of: of as u32 };
    context.reporter.step_done(done, Secs::from(began.elapsed()));
}

/// The latent frame of one chunk of pixels in bands; `kept` are the caches, none before the first chunk.
fn chunk_in_bands(
    session: &mut Session,
    pixels: &ArrayD<f32>,
    kept: &mut Vec<Tensor>,
    cancel: &CancelToken,
) -> Result<ArrayD<f32>> {
    let none = || Error::new(Kind::Bug, "The VAE encoder returned no latent");
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
