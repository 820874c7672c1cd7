//! A writer on its own thread, so that encoding never waits for the engine nor the engine for encoding.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::core::{Error, Fps, Frame, FrameCount, Kind, Resolution, Result};

use super::metadata::Metadata;
use super::staged::Ready;
use super::target::OutputTarget;
use super::writer::Writer;

/// Frames that may wait for the encoder: two chunks of the VAE, 22 MB at 1280x720.
const MAX_WAITING: usize = 8;

enum Command {
    Frame(Frame),
    Finish(Box<Metadata>),
}

/// Handle of the thread `media` that writes one video.
///
/// Dropping it before [`Self::finish`] stops the thread, waits for it, and leaves no file behind.
pub struct VideoSink {
    hidden: PathBuf,
    // none once the thread was told to end or has ended
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<Result<Option<Ready>>>>,
}

impl VideoSink {
    /// Starts the video, see [`Writer::create`]; what is wrong with the place is known here.
    pub fn start(target: &OutputTarget, size: Resolution, fps: Fps, frames: FrameCount) -> Result<Self> {
        let writer = Writer::create(target, size, fps, frames)?;
        let hidden = writer.hidden().to_path_buf();
        let (sender, receiver) = bounded(MAX_WAITING);
        let thread = thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || write_all(writer, &receiver))
            .map_err(|error| {
                Error::new(Kind::Io, "The thread that writes videos cannot start").because(error)
            })?;
        Ok(Self { hidden, commands: Some(sender), thread: Some(thread) })
    }

    /// The hidden name under which the video is written; see [`discard`](super::discard).
    pub fn hidden(&self) -> &Path {
        &self.hidden
    }

    /// Hands over the next frame; waits while the encoder is behind. Errors may be those of earlier frames.
    pub fn push(&mut self, frame: Frame) -> Result<()> {
        self.send(Command::Frame(frame))
    }

    /// Ends the video, which waits for its name then, see [`Writer::finish`].
    pub fn finish(mut self, metadata: Metadata) -> Result<Ready> {
        self.send(Command::Finish(Box::new(metadata)))?;
        self.join()?.ok_or_else(|| Error::new(Kind::Bug, "The video was not finished"))
    }

    fn send(&mut self, command: Command) -> Result<()> {
        let sent = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        if sent {
            return Ok(());
        }
        // the thread only stops listening when something failed
        self.join()?;
        Err(Error::new(Kind::Bug, "The video has already ended"))
    }

    fn join(&mut self) -> Result<Option<Ready>> {
        self.commands = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(None),
            Some(Ok(result)) => result,
            Some(Err(panic)) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Err(Error::new(Kind::Bug, format!("Writing the video failed in an unforeseen way: {text}")))
            }
        }
    }
}

impl Drop for VideoSink {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::debug!("the abandoned video had failed: {error:#}");
        }
    }
}

/// `None` if the handle was dropped; the writer then removes what it wrote.
fn write_all(mut writer: Writer, commands: &Receiver<Command>) -> Result<Option<Ready>> {
    for command in commands {
        match command {
            Command::Frame(frame) => writer.push(&frame)?,
            Command::Finish(metadata) => return writer.finish(&metadata).map(Some),
        }
    }
    Ok(None)
}
