//! Opens the images and LoRAs of a request before the run.

use std::path::Path;

use ndarray::ArrayD;

use crate::core::{CancelToken, Error, Frame, GenRequest, Kind, Mode, Result, counted, sha256_hex_of_reader};
use crate::media::{ImageFit, OutputTarget, SourceImage};
use crate::pipeline::{InputImages, Loras, Reporter, lora_hash};
use crate::store::{CheckedFiles, read_tensors};
use crate::wan::Checkpoint;
use crate::wan::lora::LoraFile;

/// Checks the output and the scales of quantised weights and opens the inputs, so that a run does not fail at its end for
/// a reason known at its start. `cancel` stops it while a clip is read. The LoRAs' hashes are remembered in `data_dir`.
pub(crate) fn resolve_inputs(
    target: &OutputTarget,
    request: &GenRequest,
    model: &Checkpoint,
    data_dir: Option<&Path>,
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
    if let Some(zeros) = list_of_zeros(&model.check_scales()?) {
        reporter.note(zeros);
    }
    let mut read = |file: &LoraFile| {
        let read = || file.check_finite(cancel).and_then(|()| lora_hash(file.path()));
        data_dir.map_or_else(read, |data_dir| CheckedFiles::new(data_dir).sha256(file.path(), read))
    };
    let loras = Loras::open(model, request, &mut read)?;
    ResolvedInputs::open(request, model, loras, reporter, cancel)
}

/// What to say of weights that are nothing but zeros; `None` if there are none.
fn list_of_zeros(names: &[String]) -> Option<String> {
    let first = names.first()?;
    let others = match names.len() {
        1 => "are".to_owned(),
        2 => "and those of another tensor are".to_owned(),
        count => format!("and those of {} other tensors are", count - 1),
    };
    Some(format!("The weights of {first} {others} all 0, with a scale of 0; the file may be damaged"))
}

/// Reads the tensor `latents` of a file that `--latents-out` wrote, and the file's SHA-256.
fn starting_latents(
    path: &Path,
    request: &GenRequest,
    checkpoint: &Checkpoint,
) -> Result<(ArrayD<f32>, String)> {
    let wrong = |what: String| {
        Error::new(Kind::Input, format!("Cannot start from the latents in {}: {what}", path.display()))
            .field("latents_in")
            .remedy("Give a safetensors file with the fp32 tensor \"latents\", for this size and number of frames")
    };
    let read = read_tensors(path).map_err(|error| wrong("the file cannot be read".to_owned()).because(error));
    let (mut tensors, _) = read?;
    let Some(latents) = tensors.remove("latents") else {
        return Err(wrong("it has no fp32 tensor called latents".to_owned()));
    };
    let channels = checkpoint.vae.config.z_dim;
    let expected = checkpoint.strides().latent(channels, request.size, request.frames).dims();
    if latents.shape() != expected {
        let found = latents.shape();
        return Err(wrong(format!(
            "they have the shape {found:?}, and {} with {} needs {expected:?}",
            request.size,
            counted(request.frames.0, "frame")
        )));
    }
    if !latents.iter().all(|value| value.is_finite()) {
        return Err(wrong("some values are not finite numbers".to_owned()));
    }
    let hash = std::fs::File::open(path).and_then(|mut file| sha256_hex_of_reader(&mut file));
    Ok((latents, hash.map_err(|error| wrong("the file cannot be read".to_owned()).because(error))?))
}

/// The images of a request at the video's size, the SHA-256 of their files, and its LoRAs.
pub(crate) struct ResolvedInputs {
    pub(crate) images: InputImages,
    pub(crate) hashes: Vec<String>,
    pub(crate) loras: Loras,
    /// The latents that denoising starts from, if they are given, and the SHA-256 of their file.
    pub(crate) latents: Option<(ArrayD<f32>, String)>,
}

impl ResolvedInputs {
    fn open(
        request: &GenRequest,
        checkpoint: &Checkpoint,
        mut loras: Loras,
        reporter: &mut Reporter<'_>,
        cancel: &CancelToken,
    ) -> Result<Self> {
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
        let latents = request.latents_in.as_deref().map(|path| starting_latents(path, request, checkpoint));
        Ok(Self { images: InputImages { first, last }, hashes, loras, latents: latents.transpose()? })
    }
}
