//! Decodes the frames that belong together, and their difference.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{Color32, ColorImage};

use crate::app::background::player::cached_clip::CachedClip;
use crate::core::{Error, Result};

/// Decoded frames of all compared videos that are kept, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// Which two videos are subtracted, and by how much the difference is amplified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct DifferenceRequest {
    /// Index of the video that is subtracted from the reference.
    pub(in crate::app) other: usize,
    /// Factor of the difference.
    pub(in crate::app) gain: u8,
}

/// The frames to show; a newer request replaces an older one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FrameRequest {
    /// The compared videos.
    pub(super) paths: Arc<[PathBuf]>,
    /// A frame of each, if it has one at this time.
    pub(super) indexes: Vec<Option<u32>>,
    pub(super) difference: Option<DifferenceRequest>,
}

/// The frames of a request.
pub(super) struct FrameSet {
    pub(super) images: Vec<Option<Arc<ColorImage>>>,
    pub(super) difference: Option<ColorImage>,
    /// Why a frame is missing.
    pub(super) error: Option<Error>,
}

/// The open videos.
#[derive(Default)]
pub(super) struct FrameSource {
    paths: Arc<[PathBuf]>,
    clips: Vec<Result<CachedClip>>,
}

impl FrameSource {
    /// Decodes the frames of `request`; opens the videos if they are others than before.
    pub(super) fn answer(&mut self, request: &FrameRequest) -> FrameSet {
        if self.paths != request.paths {
            let budget = CACHE_BYTES / request.paths.len().max(1);
            self.clips = request.paths.iter().map(|path| CachedClip::open(path, budget)).collect();
            self.paths = Arc::clone(&request.paths);
        }
        let mut error = None;
        let images: Vec<_> = self
            .clips
            .iter_mut()
            .zip(&request.indexes)
            .map(|(clip, index)| {
                let index = (*index)?;
                let image = match clip {
                    Ok(clip) => clip.image(index, 1),
                    Err(error) => Err(error.clone()),
                };
                image.map(Arc::new).map_err(|failed| error = Some(failed)).ok()
            })
            .collect();
        let difference = request.difference.and_then(|DifferenceRequest { other, gain }| {
            let (Some(Some(one)), Some(Some(two))) = (images.first(), images.get(other)) else { return None };
            difference(one, two, gain)
        });
        FrameSet { images, difference, error }
    }
}

/// The absolute difference of each colour, amplified; `None` for images of different sizes.
fn difference(one: &ColorImage, other: &ColorImage, gain: u8) -> Option<ColorImage> {
    if one.size != other.size {
        return None;
    }
    let amplified = |a: u8, b: u8| a.abs_diff(b).saturating_mul(gain);
    let pixels = one.pixels.iter().zip(&other.pixels).flat_map(|(a, b): (&Color32, &Color32)| {
        [amplified(a.r(), b.r()), amplified(a.g(), b.g()), amplified(a.b(), b.b())]
    });
    Some(ColorImage::from_rgb(one.size, &pixels.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn frames_that_belong_together_are_decoded_with_their_amplified_difference() {
        let clip =
            |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compare").join(name);
        let paths: Arc<[PathBuf]> = [clip("reference"), clip("changed"), clip("missing")].into();
        let mut source = FrameSource::default();
        let request = |difference| FrameRequest {
            paths: Arc::clone(&paths),
            indexes: vec![Some(0), Some(2), None],
            difference,
        };
        let plain = source.answer(&request(None));
        assert!(plain.images[0].is_some() && plain.images[1].is_some() && plain.images[2].is_none());
        assert!(plain.difference.is_none() && plain.error.is_none());
        let brightness = |gain| {
            let set = source.answer(&request(Some(DifferenceRequest { other: 1, gain })));
            let image = set.difference.unwrap();
            image.pixels.iter().map(|pixel| u64::from(pixel.r())).sum::<u64>()
        };
        let [once, four_times] = [1, 4].map(brightness);
        assert!(once > 0 && four_times > 2 * once && four_times <= 4 * once, "{once} and {four_times}");
        let missing = source.answer(&FrameRequest { indexes: vec![None, None, Some(0)], ..request(None) });
        assert!(missing.error.is_some());
    }
}
