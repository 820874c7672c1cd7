//! An input image as its well shows it: the whole, the part that the video shows, and what the model will see.

use std::path::PathBuf;

use super::source::InputSource;
use crate::core::{CancelToken, Frame, Limits, Mode, Resolution, Result};
use crate::media::{ImageFit, SourceImage, smaller};

/// Longest side of what is shown, in pixels.
const SHOWN: u32 = 512;

/// How the model will see the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct Fitting {
    /// The video's size.
    pub(in crate::app) size: Resolution,
    /// How another shape is fitted.
    pub(in crate::app) fit: ImageFit,
    /// Side of a token in pixels.
    pub(in crate::app) token: u32,
}

impl Fitting {
    /// How a model with `limits` sees an image in a video of `size`; none for sizes that cannot be made.
    pub(in crate::app) fn of(mode: Option<Mode>, limits: &Limits, size: Resolution) -> Option<Self> {
        let can_be = size.width > 0 && size.height > 0 && size.area() <= 4096 * 4096;
        let fit = if mode == Some(Mode::I2V) { ImageFit::Stretch } else { ImageFit::Crop };
        can_be.then(|| Self { size, fit, token: limits.strides.size_multiple() })
    }
}

/// What is asked of a well's thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) source: InputSource,
    pub(super) fitting: Option<Fitting>,
}

/// A decoded input image, made small for the screen.
#[derive(Clone, Debug)]
pub(in crate::app) struct WellImage {
    /// The size of the image itself.
    pub(in crate::app) size: Resolution,
    /// The whole image.
    pub(in crate::app) whole: Frame,
    /// What the model will see, if the video's size is known.
    pub(in crate::app) fitted: Option<Frame>,
    /// Width and height of the part in the middle that the video shows, relative to the whole.
    pub(in crate::app) kept: [f32; 2],
    /// Whether something visible is cut off.
    pub(in crate::app) is_cut: bool,
}

/// Decodes images; the last one stays for when only the video's size changes.
#[derive(Default)]
pub(super) struct Decoder {
    last: Option<(InputSource, Option<std::time::SystemTime>, SourceImage)>,
}

impl Decoder {
    pub(super) fn decode(&mut self, question: &Question) -> Result<WellImage> {
        let Question { source, fitting } = question;
        let changed = std::fs::metadata(source.path()).and_then(|file| file.modified()).ok();
        let known = self.last.take().filter(|(known, at, _)| known == source && *at == changed);
        let image = match known {
            Some((_, _, image)) => image,
            None => open(source)?,
        };
        let found = shown(&image, *fitting);
        self.last = Some((source.clone(), changed, image));
        found
    }
}

fn open(source: &InputSource) -> Result<SourceImage> {
    match source {
        InputSource::Image(path) => SourceImage::open(path),
        InputSource::LastFrame(path) => SourceImage::last_of(path, &CancelToken::new()),
    }
}

fn shown(image: &SourceImage, fitting: Option<Fitting>) -> Result<WellImage> {
    let size = image.frame.size;
    let whole = smaller(image.frame.clone(), SHOWN)?;
    let Some(Fitting { size: video, fit, token }) = fitting else {
        return Ok(WellImage { size, whole, fitted: None, kept: [1.0; 2], is_cut: false });
    };
    let part = image.kept(video, fit, token);
    let kept = [
        part.size.width as f32 / size.width.max(1) as f32,
        part.size.height as f32 / size.height.max(1) as f32,
    ];
    let fitted = smaller(image.fitted(video, fit, token).0, SHOWN)?;
    Ok(WellImage { size, whole, fitted: Some(fitted), kept, is_cut: part.is_cut })
}

/// The file that a source names, if it is one.
pub(super) fn path_of(question: &Question) -> PathBuf {
    question.source.path().to_path_buf()
}
