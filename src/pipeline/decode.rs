//! Latents to frames, one latent frame after the other.

use std::ops::Range;
use std::time::Instant;

use ndarray::{Array1, ArrayD, ArrayViewD, Axis, Slice};

use super::context::RunContext;
use super::reporter::StageStep;
use super::stitch::Canvas;
use crate::core::{Error, Frame, Kind, Resolution, Result, Secs, Stage};
use crate::engine::{Bound, Input, Session, Tensor};
use crate::wan::graphs::{CacheSpec, CallNumber};
use crate::wan::tiles::Tiling;

/// Takes each decoded frame; may fail, as when a disk is full.
pub type FrameSink<'a> = &'a mut dyn FnMut(Frame) -> Result<()>;

/// What a decoder takes beside the latent.
#[derive(Clone, Copy)]
pub(super) struct DecoderInputs<'a> {
    /// What it carries from one call to the next.
    pub(super) caches: &'a [CacheSpec],
    /// What depends on the call.
    pub(super) numbers: &'a [CallNumber],
}

/// Decodes `latent` `[1, z, T, h, w]` in tiles of `tile` latent cells, and passes the frames on as they come.
///
/// One tile after the other is decoded through all latent frames, so that the caches of a single one are held. What the
/// tiles make of each latent frame is put together in memory of the host; with the last tile, the frames are complete.
pub(super) fn decode_stream(
    session: &mut Session,
    others: DecoderInputs<'_>,
    latent: &ArrayD<f32>,
    tile: Option<usize>,
    frames: FrameSink<'_>,
    context: &mut RunContext<'_>,
) -> Result<()> {
    let &[_, _, count, height, width] = latent.shape() else {
        return Err(Error::new(Kind::Bug, "A latent has not five dimensions"));
    };
    let tiling = Tiling::new([height, width], tile);
    let num_tiles = tiling.count();
    let mut canvases: Vec<_> = (0..count).map(|_| Some(Canvas::new(&tiling))).collect();
    let mut began = Instant::now();
    for (tile, place) in tiling.places().enumerate() {
        let mut decoder = TileDecoder::begin(session, others, &tiling, place)?;
        for (index, canvas) in canvases.iter_mut().enumerate() {
            let chunk = decoder.decode(latent, index, context)?;
            if let (1, Some(bytes)) = (num_tiles, chunk.bytes()) {
                frames_from_bytes(&bytes).into_iter().try_for_each(&mut *frames)?;
            } else {
                let open =
                    canvas.as_mut().ok_or_else(|| Error::new(Kind::Bug, "A frame was finished early"))?;
                open.add(place, &chunk.view()?)?;
                if tile + 1 == num_tiles
                    && let Some(complete) = canvas.take()
                {
                    frames_from_chunk(&complete.finish()?.view()).into_iter().try_for_each(&mut *frames)?;
                }
            }
            // the stage has a step for each latent frame, whatever the number of tiles
            let decoded = tile * count + index + 1;
            if decoded.is_multiple_of(num_tiles) {
                let step = (decoded / num_tiles) as u32;
                let done = StageStep { stage: Stage::Decode, step, of: count as u32 };
                context.reporter.step_done(done, Secs::from(began.elapsed()));
                began = Instant::now();
            }
        }
    }
    Ok(())
}

/// Decodes one tile, latent frame after latent frame.
struct TileDecoder<'s> {
    session: &'s mut Session,
    others: DecoderInputs<'s>,
    bound: Bound,
    /// The cells of the tile.
    ranges: [Range<usize>; 2],
}

impl<'s> TileDecoder<'s> {
    fn begin(
        session: &'s mut Session,
        others: DecoderInputs<'s>,
        tiling: &Tiling,
        place: [usize; 2],
    ) -> Result<Self> {
        let mut bound = session.bind()?;
        let [height, width] = tiling.tile();
        bind_zero_caches(&mut bound, others.caches, |level| [height << level, width << level])?;
        Ok(Self { session, others, bound, ranges: tiling.ranges(place) })
    }

    /// The frames of the latent frame `index`: `[1, 3, T, H, W]` in [-1, 1], or `[1, T, H, W, 3]` of bytes.
    fn decode(&mut self, latent: &ArrayD<f32>, index: usize, context: &RunContext<'_>) -> Result<Tensor> {
        for number in self.others.numbers {
            let value = Array1::from_elem(1, number.in_call(index)).into_dyn();
            self.bound.set(&number.name, Input::I64(value.view()))?;
        }
        let [rows, columns] = self.ranges.clone();
        let cells = latent
            .slice_axis(Axis(2), Slice::from(index..=index))
            .slice_axis_move(Axis(3), Slice::from(rows))
            .slice_axis_move(Axis(4), Slice::from(columns))
            .as_standard_layout()
            .into_owned();
        self.bound.set("latent", Input::F32(cells.view()))?;
        let mut results = self.session.run_bound(&mut self.bound, context.cancel)?.into_iter();
        let chunk =
            results.next().ok_or_else(|| Error::new(Kind::Bug, "The VAE decoder returned no frames"))?;
        let caches: Vec<_> = results.collect();
        bind_caches(&mut self.bound, caches.iter())?;
        Ok(chunk)
    }
}

/// Sets the caches of a stream, if there are any.
pub(super) fn bind_caches<'t>(bound: &mut Bound, caches: impl Iterator<Item = &'t Tensor>) -> Result<()> {
    caches.enumerate().try_for_each(|(index, cache)| bound.set(&cache_input(index), Input::Tensor(cache)))
}

/// Sets the caches of a stream to zeros; `size` is height and width at a level.
pub(super) fn bind_zero_caches(
    bound: &mut Bound,
    caches: &[CacheSpec],
    size: impl Fn(u32) -> [usize; 2],
) -> Result<()> {
    let names: Vec<_> = (0..caches.len()).map(cache_input).collect();
    bound.set_zeros(names.iter().zip(caches).map(|(name, cache)| {
        let [height, width] = size(cache.level);
        (name.as_str(), cache.dtype, [1, cache.channels, cache.frames, height, width])
    }))
}

/// The name of the input for a cache.
fn cache_input(index: usize) -> String {
    format!("cache_in_{index}")
}

/// 8-bit frames from `[1, 3, T, H, W]` in [-1, 1], rounded as numpy does.
pub(super) fn frames_from_chunk(chunk: &ArrayViewD<'_, f32>) -> Vec<Frame> {
    let shape = chunk.shape();
    let (count, height, width) = (shape[2], shape[3], shape[4]);
    let size = Resolution::new(width as u32, height as u32);
    let byte = |value: f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    (0..count)
        .map(|t| {
            let planes = chunk.index_axis(Axis(0), 0).index_axis_move(Axis(1), t);
            // [3, H, W] -> [H, W, 3]
            let rgb = planes.permuted_axes(vec![1, 2, 0]).iter().map(|&value| byte(value)).collect();
            Frame { size, rgb }
        })
        .collect()
}

/// The frames of `[1, T, H, W, 3]`.
fn frames_from_bytes(chunk: &ArrayViewD<'_, u8>) -> Vec<Frame> {
    let shape = chunk.shape();
    let size = Resolution::new(shape[3] as u32, shape[2] as u32);
    let frames = chunk.index_axis(Axis(0), 0);
    frames.outer_iter().map(|frame| Frame { size, rgb: frame.iter().copied().collect() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_clamped_rounded_and_interleaved() {
        // two pixels side by side, one frame
        let values = vec![-2.0, 0.0, 1.0, 0.5, -1.0, 2.0];
        let chunk = ArrayD::from_shape_vec(vec![1, 3, 1, 1, 2], values).unwrap();
        let frames = frames_from_chunk(&chunk.view());
        assert_eq!(frames[0].size, Resolution::new(2, 1));
        assert_eq!(frames[0].rgb, [0, 255, 0, 128, 191, 255]);
    }
}
