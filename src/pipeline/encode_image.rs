//! The start and end image as the transformer takes them.
//!
//! i2v-A14B reads, beside the noise, a mask and the encoded video "start image, grey, end image"; ti2v-5B has the
//! encoded image in place of its first latent frame (wan/image2video.py, wan/textimage2video.py; diffusers'
//! `WanImageToVideoPipeline.prepare_latents`).

use std::ops::Range;

use ndarray::{Array4, Array5, ArrayD, Axis, concatenate, s};

use crate::core::{Error, Frame, Kind, Result};

/// Images that the video starts and ends with, at its size.
#[derive(Clone, Debug, Default)]
pub struct InputImages {
    /// First frame.
    pub first: Option<Frame>,
    /// Last frame, beside a first one.
    pub last: Option<Frame>,
}

/// The images as the transformer takes them.
pub(super) enum ImageCondition {
    /// There are none.
    None,
    /// Mask and encoded video `[1, temporal + z, T, h, w]`, beside the noise (i2v-A14B).
    Channels(ArrayD<f32>),
    /// The encoded image `[1, z, 1, h, w]`, in place of the first latent frame (ti2v-5B).
    FirstFrame(ArrayD<f32>),
}

/// Frames that are given, with their places.
pub(super) type Given<'a> = Vec<(usize, &'a Frame)>;

/// Frames of one chunk after the first (`scale_factor_temporal`).
pub(super) const CHUNK: usize = 4;

/// Height and width of the images, which are all of one size.
pub(super) fn size_of(videos: &[Given<'_>]) -> Result<[usize; 2]> {
    let Some((_, image)) = videos.first().and_then(|given| given.first()) else {
        return Err(Error::new(Kind::Bug, "There is no image to encode"));
    };
    Ok([image.size.height as usize, image.size.width as usize])
}

/// Frames `range` of a video `[1, 3, n, H, W]`, grey where none is given.
pub(super) fn pixels(
    given: &Given<'_>,
    range: &Range<usize>,
    [height, width]: [usize; 2],
) -> Result<ArrayD<f32>> {
    let mut pixels = Array5::zeros((1, 3, range.len(), height, width));
    for (at, image) in given.iter().filter(|(at, _)| range.contains(at)) {
        pixels.slice_mut(s![0, .., at - range.start, .., ..]).assign(&planes(image)?.slice(s![
            0,
            ..,
            ..,
            ..
        ]));
    }
    Ok(pixels.into_dyn())
}

/// An image as `[1, 3, H, W]` in [-1, 1].
fn planes(image: &Frame) -> Result<Array4<f32>> {
    let (height, width) = (image.size.height as usize, image.size.width as usize);
    let values = image.rgb.iter().map(|&byte| f32::from(byte) / 255.0 * 2.0 - 1.0).collect();
    let rows = Array4::from_shape_vec((1, height, width, 3), values).map_err(|error| {
        Error::new(Kind::Bug, "An image does not have the bytes of its size").because(error)
    })?;
    Ok(rows.permuted_axes([0, 3, 1, 2]))
}

/// 1 where a frame is given, `[1, 4, T, h, w]`: the channels of a latent frame are its four frames, and the first
/// latent frame, which holds one, repeats it.
pub(super) fn mask(count: usize, last: bool, [height, width]: [usize; 2]) -> Array5<f32> {
    let mut mask = Array5::zeros((1, CHUNK, count, height, width));
    mask.slice_mut(s![.., .., 0, .., ..]).fill(1.0);
    if last {
        mask.slice_mut(s![.., CHUNK - 1, count - 1, .., ..]).fill(1.0);
    }
    mask
}

impl ImageCondition {
    /// The transformer's input for a latent.
    pub(super) fn input(&self, latent: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        match self {
            Self::None => Ok(latent.clone()),
            Self::Channels(channels) => {
                concatenate(Axis(1), &[latent.view(), channels.view()]).map_err(|error| {
                    Error::new(Kind::Bug, "The images do not have the latent's size").because(error)
                })
            }
            Self::FirstFrame(_) => Ok(self.noisy_part(latent)),
        }
    }

    /// The part of [`Self::input`] that has the latent's shape: without the channels of the images.
    pub(super) fn noisy_part(&self, latent: &ArrayD<f32>) -> ArrayD<f32> {
        let mut part = latent.clone();
        self.impose(&mut part);
        part
    }

    /// Puts a given first latent frame into `latent`.
    pub(super) fn impose(&self, latent: &mut ArrayD<f32>) {
        if let Self::FirstFrame(image) = self {
            latent.slice_axis_mut(Axis(2), (..1).into()).assign(image);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayView5;

    use super::*;

    #[test]
    fn the_mask_is_one_where_a_frame_is_given() {
        let of = |mask: ArrayView5<'_, f32>| {
            mask.slice(s![0, .., .., 0, 0]).t().iter().copied().collect::<Vec<_>>()
        };
        assert_eq!(of(mask(2, false, [1, 1]).view()), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(of(mask(2, true, [1, 1]).view()), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
