//! Opens the images and LoRAs of a request before the run.

use crate::core::{CancelToken, Frame, GenRequest, Mode, Result};
use crate::media::{ImageFit, OutputTarget, SourceImage};
use crate::pipeline::{InputImages, Loras, Reporter};
use crate::wan::Checkpoint;

/// Checks the output and opens the inputs, so that a run does not fail at its end for a reason known at its start. `cancel`
/// stops it while a clip is read.
pub(crate) fn resolve_inputs(
    target: &OutputTarget,
    request: &GenRequest,
    model: &Checkpoint,
    reporter: &mut Reporter<'_>,
    cancel: &CancelToken,
) -> Result<ResolvedInputs> {
    target.check_video(request.size, request.fps)?;
    target.check_writable()?;
    if let Some(taken) = target.renamed_from() {
        reporter.warn(format!(
            "{} already exists, so the video is saved as {}",
            taken.display(),
            target.path().display()
        ));
    }
    ResolvedInputs::open(request, model, reporter, cancel)
}

/// The images of a request at the video's size, the SHA-256 of their files, and its LoRAs.
pub(crate) struct ResolvedInputs {
    pub(crate) images: InputImages,
    pub(crate) hashes: Vec<String>,
    pub(crate) loras: Loras,
}

impl ResolvedInputs {
    fn open(
        request: &GenRequest,
        checkpoint: &Checkpoint,
        reporter: &mut Reporter<'_>,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let mut loras = Loras::open(checkpoint, request)?;
        for warning in loras.warnings.drain(..) {
            reporter.warn(warning);
        }
        for message in loras.notes.drain(..) {
            reporter.note(message);
        }
        let fit = if request.mode == Mode::I2V { ImageFit::Stretch } else { ImageFit::Crop };
        let token = checkpoint.strides().size_multiple();
        let mut hashes = Vec::new();
        let mut fitted = |image: SourceImage| -> Frame {
            let (frame, cut) = image.fitted(request.size, fit, token);
            for note in image.notes.into_iter().chain(cut) {
                reporter.warn(note);
            }
            hashes.push(image.sha256);
            frame
        };
        let first = match (&request.start_image, &request.continue_from) {
            (Some(path), _) => Some(SourceImage::open(path)?),
            (None, Some(clip)) => Some(SourceImage::last_of(clip, cancel)?),
            (None, None) => None,
        };
        cancel.check()?;
        let first = first.map(&mut fitted);
        let last = request.end_image.as_deref().map(SourceImage::open).transpose();
        let last = last.map_err(|error| error.field("end_image"))?.map(&mut fitted);
        Ok(Self { images: InputImages { first, last }, hashes, loras })
    }
}
