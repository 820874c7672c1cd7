//! Latents to frames, one latent frame after the other.

use std::time::Instant;

use ndarray::{Array1, ArrayD, ArrayViewD, Axis, Slice};

use super::story::Story;
use crate::core::{CancelToken, Error, Frame, Kind, Resolution, Result, Stage};
use crate::engine::{Input, Session, Tensor};
use crate::wan::graphs::CacheSpec;

/// Where decoded frames go; may fail, as when a disk is full.
pub type FrameSink<'a> = &'a mut dyn FnMut(Frame) -> Result<()>;

/// Decodes `latent` `[1, z, T, h, w]` and hands the frames on as they come.
pub(super) fn decode(
    session: &mut Session,
    caches: &[CacheSpec],
    latent: &ArrayD<f32>,
    frames: FrameSink<'_>,
    (story, cancel): (&mut Story<'_>, &CancelToken),
) -> Result<()> {
    let &[_, _, count, height, width] = latent.shape() else {
        return Err(Error::new(Kind::Bug, "A latent has not five dimensions"));
    };
    let zeros = |cache: &CacheSpec| {
        Tensor::zeros(&[1, cache.channels, cache.frames, height << cache.level, width << cache.level])
    };
    let names: Vec<_> = (0..caches.len()).map(|index| format!("cache_in_{index}")).collect();
    let mut kept = caches.iter().map(zeros).collect::<Result<Vec<_>>>()?;
    for index in 0..count {
        cancel.check()?;
        let began = Instant::now();
        let one = latent.slice_axis(Axis(2), Slice::from(index..=index)).as_standard_layout().into_owned();
        let later = Array1::from_elem(1, i64::from(index > 0)).into_dyn();
        let mut inputs = vec![("latent", Input::F32(one.view())), ("later", Input::I64(later.view()))];
        inputs.extend(names.iter().map(String::as_str).zip(kept.iter().map(Input::Tensor)));
        let mut results = session.run(inputs, cancel)?.into_iter();
        let Some(chunk) = results.next() else {
            return Err(Error::new(Kind::Bug, "The VAE decoder gave no frames"));
        };
        kept = results.collect();
        for frame in frames_from_chunk(&chunk.view()?) {
            frames(frame)?;
        }
        story.step(Stage::Decode, index as u32 + 1, count as u32, began);
    }
    Ok(())
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
