//! Given pictures as what the transformer is told of them.
//!
//! i2v-A14B reads, beside the noise, a mask and the encoded video "first picture, grey, last picture"; ti2v-5B has the
//! encoded picture in place of its first latent frame (wan/image2video.py, wan/textimage2video.py; diffusers'
//! `WanImageToVideoPipeline.prepare_latents`).

use std::ops::Range;

use ndarray::{Array4, Array5, ArrayD, Axis, concatenate, s};

use super::encode_stream::StreamEncoder;
use super::encode_whole::WholeEncoder;
use super::reporter::Reporter;
use crate::core::{CancelToken, Error, Frame, Kind, Result};

/// Pictures that the video starts and ends with, at its size.
#[derive(Clone, Debug, Default)]
pub struct InputImages {
    /// First frame.
    pub first: Option<Frame>,
    /// Last frame, beside a first one.
    pub last: Option<Frame>,
}

/// What the transformer is told of the pictures.
pub(super) enum ImageCondition {
    /// There are none.
    None,
    /// Mask and encoded video `[1, temporal + z, T, h, w]`, beside the noise (i2v-A14B).
    Channels(ArrayD<f32>),
    /// The encoded picture `[1, z, 1, h, w]`, in place of the first latent frame (ti2v-5B).
    FirstFrame(ArrayD<f32>),
}

/// What turns pictures into latents.
pub(super) enum Encoder<'a> {
    /// The program's own graphs.
    Stream(StreamEncoder<'a>),
    /// A file of others.
    Whole(WholeEncoder<'a>),
}

/// Frames that are given, with their places.
pub(super) type Given<'a> = Vec<(usize, &'a Frame)>;

/// Frames of one chunk after the first (`scale_factor_temporal`).
pub(super) const CHUNK: usize = 4;

impl Encoder<'_> {
    /// One picture as `[1, z, 1, h, w]`.
    pub(super) fn picture(
        &self,
        picture: &Frame,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<ArrayD<f32>> {
        Ok(self.videos(1, &[vec![(0, picture)]], (story, cancel))?.swap_remove(0))
    }

    /// Mask and encoded video of `frames` frames, of which the first and perhaps the last are given.
    pub(super) fn channels(
        &self,
        frames: usize,
        pictures: &InputImages,
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<ArrayD<f32>> {
        let last = frames - 1;
        let given: Vec<_> = pictures
            .first
            .iter()
            .map(|picture| (0, picture))
            // one frame cannot be both
            .chain(pictures.last.iter().filter(|_| last > 0).map(|picture| (last, picture)))
            .collect();
        let latent = self.videos(frames, &[given], (story, cancel))?.swap_remove(0);
        let shape = latent.shape();
        let mask = mask(shape[2], pictures.last.is_some() && last > 0, [shape[3], shape[4]]);
        concatenate(Axis(1), &[mask.view().into_dyn(), latent.view()])
            .map_err(|error| Error::new(Kind::Bug, "Mask and encoded video differ in size").because(error))
    }

    /// The latents of short clips, all of one size and length.
    pub(super) fn clips(
        &self,
        clips: &[Vec<Frame>],
        (story, cancel): (&mut Reporter<'_>, &CancelToken),
    ) -> Result<Vec<ArrayD<f32>>> {
        let frames = clips.first().map_or(1, Vec::len);
        let given: Vec<Given<'_>> = clips.iter().map(|clip| clip.iter().enumerate().collect()).collect();
        self.videos(frames, &given, (story, cancel))
    }

    /// The latents `[1, z, T, h, w]` of videos that are grey where no picture is given.
    fn videos(
        &self,
        frames: usize,
        videos: &[Given<'_>],
        told: (&mut Reporter<'_>, &CancelToken),
    ) -> Result<Vec<ArrayD<f32>>> {
        match self {
            Self::Stream(encoder) => encoder.videos(frames, videos, told),
            Self::Whole(encoder) => encoder.videos(frames, videos, told),
        }
    }
}

/// Height and width of the pictures, which all have the same.
pub(super) fn size_of(videos: &[Given<'_>]) -> Result<[usize; 2]> {
    let Some((_, picture)) = videos.first().and_then(|given| given.first()) else {
        return Err(Error::new(Kind::Bug, "There is no picture to encode"));
    };
    Ok([picture.size.height as usize, picture.size.width as usize])
}

/// Frames `range` of a video `[1, 3, n, H, W]`, grey where none is given.
pub(super) fn pixels(
    given: &Given<'_>,
    range: &Range<usize>,
    [height, width]: [usize; 2],
) -> Result<ArrayD<f32>> {
    let mut pixels = Array5::zeros((1, 3, range.len(), height, width));
    for (at, picture) in given.iter().filter(|(at, _)| range.contains(at)) {
        pixels.slice_mut(s![0, .., at - range.start, .., ..]).assign(&planes(picture)?.slice(s![
            0,
            ..,
            ..,
            ..
        ]));
    }
    Ok(pixels.into_dyn())
}

/// A picture as `[1, 3, H, W]` in [-1, 1].
fn planes(picture: &Frame) -> Result<Array4<f32>> {
    let (height, width) = (picture.size.height as usize, picture.size.width as usize);
    let values = picture.rgb.iter().map(|&byte| f32::from(byte) / 255.0 * 2.0 - 1.0).collect();
    let rows = Array4::from_shape_vec((1, height, width, 3), values)
        .map_err(|error| Error::new(Kind::Bug, "A picture has not the bytes of its size").because(error))?;
    Ok(rows.permuted_axes([0, 3, 1, 2]))
}

/// 1 where a frame is given, `[1, 4, T, h, w]`: the channels of a latent frame are its four frames, and the first
/// latent frame, which holds one, repeats it.
fn mask(count: usize, last: bool, [height, width]: [usize; 2]) -> Array5<f32> {
    let mut mask = Array5::zeros((1, CHUNK, count, height, width));
    mask.slice_mut(s![.., .., 0, .., ..]).fill(1.0);
    if last {
        mask.slice_mut(s![.., CHUNK - 1, count - 1, .., ..]).fill(1.0);
    }
    mask
}

impl ImageCondition {
    /// What goes into the transformer for a latent.
    pub(super) fn input(&self, latent: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        match self {
            Self::None => Ok(latent.clone()),
            Self::Channels(channels) => {
                concatenate(Axis(1), &[latent.view(), channels.view()]).map_err(|error| {
                    Error::new(Kind::Bug, "The pictures do not have the latent's size").because(error)
                })
            }
            Self::FirstFrame(_) => {
                let mut input = latent.clone();
                self.impose(&mut input);
                Ok(input)
            }
        }
    }

    /// Puts a given first latent frame into `latent`.
    pub(super) fn impose(&self, latent: &mut ArrayD<f32>) {
        if let Self::FirstFrame(picture) = self {
            latent.slice_axis_mut(Axis(2), (..1).into()).assign(picture);
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
