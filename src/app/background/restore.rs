//! Detects how to use a dropped file: as saved settings, start image or LoRA.

use std::path::{Path, PathBuf};

use crate::app::form::ModelScan;
use crate::core::{Draft, Error, Expert, Kind, Resolution, Result};
use crate::library::SavedRequest;
use crate::media::{image_size, is_image};
use crate::wan::DistilledSettings;
use crate::wan::lora::LoraFile;

/// The result of examining a file.
pub(in crate::app) enum Found {
    /// A video or image made by Wandeck, with the draft stored in it.
    Settings(PathBuf, Box<Draft>),
    /// An image, and its size.
    Image(PathBuf, Resolution),
    /// A video to continue from its last frame.
    Clip(PathBuf),
    /// The file that a video was exported to.
    Exported(PathBuf),
    /// A LoRA, the expert that its file name indicates, and the settings that it brings.
    Lora(PathBuf, Option<Expert>, Option<DistilledSettings>),
    /// The PNG file that a frame of the player was saved as.
    SavedFrame(PathBuf),
    /// A file that cannot be used, with the reason.
    Nothing(Error),
    /// The models on this machine.
    Models(ModelScan),
}

/// Whether the file's extension is one of a weights file.
pub(in crate::app) fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

/// Examines a file.
pub(in crate::app) fn examine_file(path: &Path) -> Found {
    read(path).unwrap_or_else(Found::Nothing)
}

/// Prepares a file as start image: an image as it is, the last frame of anything else.
pub(in crate::app) fn as_image(path: &Path) -> Found {
    let found = || -> Result<Found> {
        if is_image(path)? {
            Ok(Found::Image(path.to_path_buf(), image_size(path)?))
        } else {
            Ok(Found::Clip(path.to_path_buf()))
        }
    };
    found().unwrap_or_else(Found::Nothing)
}

fn read(path: &Path) -> Result<Found> {
    if is_weights(path) {
        let file = LoraFile::open(path)?;
        if file.summary().format.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(Error::new(Kind::Input, format!("{name} holds no LoRA"))
                .remedy("Give a LoRA; a model is found in the folder of models")
                .field("lora"));
        }
        // another program with another working folder may run the job
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let expert = file.expert().filter(|_| file.experts().is_empty());
        return Ok(Found::Lora(path, expert, file.advice()));
    }
    if let Some(recorded) = SavedRequest::read(path)? {
        return Ok(Found::Settings(path.to_path_buf(), Box::new(recorded.draft)));
    }
    if is_image(path)? {
        return Ok(Found::Image(path.to_path_buf(), image_size(path)?));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(Error::new(Kind::Input, format!("{name} carries no settings"))
        .remedy("Drop a video that was made with Wandeck, an image to start from, or a LoRA"))
}
