//! What a dropped file is for: the request that made it comes back, or it is the first picture. Off the window's thread.

use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, bounded};

use crate::core::{Draft, Error, Expert, Kind, Resolution, Result, Waker};
use crate::library::SavedRequest;
use crate::media::{image_size, is_image};
use crate::wan::lora::LoraFile;

/// What a file turned out to be.
pub(in crate::app) enum Found {
    /// A video or picture of ours, with the form that made it.
    Settings(Box<Draft>),
    /// Somebody's picture, and its size.
    Image(PathBuf, Resolution),
    /// A LoRA, and the expert that its name speaks of.
    Lora(PathBuf, Option<Expert>),
}

/// A file that is being read.
pub(in crate::app) struct Restore {
    answer: Receiver<Result<Found>>,
    thread: Option<JoinHandle<()>>,
}

impl Restore {
    /// Starts to read `path`.
    pub(in crate::app) fn start(path: PathBuf, waker: Waker) -> Result<Self> {
        let (sender, answer) = bounded(1);
        let work = move || {
            // nobody listens any more only when the program is closing
            if sender.send(look_at(&path)).is_ok() {
                waker();
            }
        };
        let thread = Builder::new().name("restore".to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, "The file cannot be read now").because(error).remedy("Try again")
        })?;
        Ok(Self { answer, thread: Some(thread) })
    }

    /// What was found, once.
    pub(in crate::app) fn poll(&self) -> Option<Result<Found>> {
        self.answer.try_recv().ok()
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("A file could not be read because of a panic");
        }
    }
}

/// Whether the file's name says that it holds weights.
pub(in crate::app) fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

fn look_at(path: &Path) -> Result<Found> {
    if is_weights(path) {
        let file = LoraFile::open(path)?;
        if file.summary().dialect.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(Error::new(Kind::Input, format!("{name} holds no LoRA"))
                .remedy("Give a LoRA; a model is found in the folder of models")
                .field("lora"));
        }
        // the queue may be worked on from elsewhere
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        return Ok(Found::Lora(path, file.expert()));
    }
    if let Some(recorded) = SavedRequest::read(path)? {
        return Ok(Found::Settings(Box::new(recorded.draft)));
    }
    if is_image(path)? {
        return Ok(Found::Image(path.to_path_buf(), image_size(path)?));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(Error::new(Kind::Input, format!("{name} carries no settings"))
        .remedy("Drop a video that was made with Wandeck, a picture to start from, or a LoRA"))
}
