//! Latents to frames, one latent frame after the other.

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
/// Every tile has caches of its own: latent frame after latent frame, all tiles are decoded and put together.
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
    // what each tile carries to its next chunk
    let mut kept: Vec<Vec<Tensor>> = tiling.places().map(|_| Vec::new()).collect();
    let mut bound = session.bind()?;
    bind_caches(&mut bound, zeros(others.caches, tiling.tile())?.iter())?;
    for index in 0..count {
        let began = Instant::now();
        for number in others.numbers {
            let value = Array1::from_elem(1, number.in_call(index)).into_dyn();
            bound.set(&number.name, Input::I64(value.view()))?;
        }
        let mut canvas = None;
        for (place, kept) in tiling.places().zip(&mut kept) {
            let [rows, columns] = tiling.ranges(place);
            let cells = latent
                .slice_axis(Axis(2), Slice::from(index..=index))
                .slice_axis_move(Axis(3), Slice::from(rows))
                .slice_axis_move(Axis(4), Slice::from(columns))
                .as_standard_layout()
                .into_owned();
            bound.set("latent", Input::F32(cells.view()))?;
            // all tiles begin with the same zeros
            bind_caches(&mut bound, std::mem::take(kept).iter())?;
            let mut results = session.run_bound(&mut bound, context.cancel)?.into_iter();
            let Some(chunk) = results.next() else {
                return Err(Error::new(Kind::Bug, "The VAE decoder returned no frames"));
            };
            *kept = results.collect();
            let chunk = chunk.view()?;
            let scale = chunk.shape()[3] / tiling.tile()[0];
            canvas.get_or_insert_with(|| Canvas::new(&tiling, scale)).add(place, &chunk)?;
        }
        let Some(canvas) = canvas else { return Err(Error::new(Kind::Bug, "A latent has no cells")) };
        for frame in frames_from_chunk(&canvas.finish()?.view()) {
            frames(frame)?;
        }
        let done = StageStep { stage: Stage::Decode, step: index as u32 + 1, of: count as u32 };
        context.reporter.step_done(done, Secs::from(began.elapsed()));
    }
    Ok(())
}

/// Sets the caches of a stream, if there are any.
pub(super) fn bind_caches<'t>(bound: &mut Bound, caches: impl Iterator<Item = &'t Tensor>) -> Result<()> {
    caches
        .enumerate()
        .try_for_each(|(index, cache)| bound.set(&format!("cache_in_{index}"), Input::Tensor(cache)))
}

/// The caches of a tile before its first chunk.
fn zeros(caches: &[CacheSpec], [height, width]: [usize; 2]) -> Result<Vec<Tensor>> {
    let zeros = |cache: &CacheSpec| {
        Tensor::zeros(&[1, cache.channels, cache.frames, height << cache.level, width << cache.level])
    };
    caches.iter().map(zeros).collect()
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
