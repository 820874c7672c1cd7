//! Pictures to latents with the program's own graphs: a stream of chunks, in tiles.

use std::time::Instant;

use ndarray::{ArrayD, Axis, Slice, concatenate};

use super::encode_image::{CHUNK, Given, pixels, size_of};
use super::reporter::Reporter;
use super::stitch::Canvas;
use crate::core::{CancelToken, Error, Kind, Result, Stage};
use crate::engine::{Input, Session, Tensor};
use crate::onnx::Graph;
use crate::wan::graphs::{CacheSpec, StreamGraph};
use crate::wan::tiles::Tiling;

/// The two graphs of the encoder and how one of them is loaded.
pub(super) struct StreamEncoder<'a> {
    /// Takes the first frame.
    pub(super) first: &'a StreamGraph,
    /// Takes four frames more.
    pub(super) later: &'a StreamGraph,
    /// Pixels folded into one cell before the encoder (`patch_size`).
    pub(super) patch: usize,
    /// Pixels of a latent cell.
    pub(super) stride: usize,
    /// Edge of the tiles in latent cells; none for the whole picture at once.
    pub(super) edge: Option<usize>,
    pub(super) load: &'a dyn Fn(&Graph) -> Result<Session>,
}

impl StreamEncoder<'_> {
    /// The latents `[1, z, T, h, w]` of videos that are grey where no picture is given.
    pub(super) fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<Vec<ArrayD<f32>>> {
        let size = size_of(videos)?;
        let tiling = Tiling::new(size.map(|pixels| pixels / self.stride), self.edge);
        let fresh = || tiling.places().map(|_| self.zeros(tiling.tile())).collect::<Result<Vec<_>>>();
        let mut kept = videos.iter().map(|_| fresh()).collect::<Result<Vec<_>>>()?;
        let count = (frames - 1) / CHUNK + 1;
        let mut latents = vec![Vec::with_capacity(count); videos.len()];
        let mut session = (self.load)(&self.first.graph)?;
        for chunk in 0..count {
            let began = Instant::now();
            if chunk == 1 {
                drop(session);
                session = (self.load)(&self.later.graph)?;
            }
            let range = if chunk == 0 { 0..1 } else { chunk * CHUNK - (CHUNK - 1)..chunk * CHUNK + 1 };
            for ((given, kept), latents) in videos.iter().zip(&mut kept).zip(&mut latents) {
                let pixels = pixels(given, &range, size)?;
                latents.push(self.chunk(&mut session, &tiling, &pixels, kept, cancel)?);
            }
            story.step(Stage::Image, chunk as u32 + 1, count as u32, began);
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
        let names: Vec<_> = (0..self.first.caches.len()).map(|index| format!("cache_in_{index}")).collect();
        let mut canvas = Canvas::new(tiling, 1);
        for (place, kept) in tiling.places().zip(kept) {
            let [rows, columns] =
                tiling.ranges(place).map(|cells| cells.start * self.stride..cells.end * self.stride);
            let tile = pixels
                .slice_axis(Axis(3), Slice::from(rows))
                .slice_axis_move(Axis(4), Slice::from(columns))
                .as_standard_layout()
                .into_owned();
            let mut inputs = vec![("frames", Input::F32(tile.view()))];
            let before = std::mem::take(kept);
            inputs.extend(names.iter().map(String::as_str).zip(before.iter().map(Input::Tensor)));
            let mut results = session.run(inputs, cancel)?.into_iter();
            let Some(latent) = results.next() else {
                return Err(Error::new(Kind::Bug, "The VAE encoder gave no latent"));
            };
            *kept = results.collect();
            canvas.add(place, &latent.view()?)?;
        }
        canvas.finish()
    }

    /// The caches of a tile of so many cells that has seen nothing.
    fn zeros(&self, [height, width]: [usize; 2]) -> Result<Vec<Tensor>> {
        let zeros = |cache: &CacheSpec| {
            let side = |cells: usize| (cells * self.stride / self.patch) >> cache.level;
            Tensor::zeros(&[1, cache.channels, cache.frames, side(height), side(width)])
        };
        self.first.caches.iter().map(zeros).collect()
    }
}
