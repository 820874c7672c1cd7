//! A video writer on its own thread, so that encoding and inference run at the same time.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::core::{Error, Fps, Frame, FrameCount, Kind, Resolution, Result};

use super::metadata::Metadata;
use super::staged::StagedVideo;
use super::target::OutputTarget;
use super::writer::Writer;

/// Frames that may be queued for the encoder: two chunks of the VAE, 22 MB at 1280x720.
const MAX_WAITING: usize = 8;

enum Command {
    Frame(Frame),
    Finish(Box<Metadata>),
}

/// Handle of the thread that writes one video.
///
/// Dropping it before [`Self::finish`] stops the thread, waits for it, and leaves no file behind.
pub struct VideoSink {
    hidden: PathBuf,
    // none once the thread has been asked to end
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<Result<Option<StagedVideo>>>>,
}

impl VideoSink {
    /// Starts the video as [`Writer::create`] does. Fails if the target cannot be written.
    pub fn start(target: &OutputTarget, size: Resolution, fps: Fps, frames: FrameCount) -> Result<Self> {
        let writer = Writer::create(target, size, fps, frames)?;
        let hidden = writer.hidden().to_path_buf();
        let (sender, receiver) = bounded(MAX_WAITING);
        let thread = thread::Builder::new()
            .name("media".to_owned())
            .spawn(move || write_all(writer, &receiver))
            .map_err(|error| {
                Error::new(Kind::Io, "Cannot start the thread that writes the video").because(error)
            })?;
        Ok(Self { hidden, commands: Some(sender), thread: Some(thread) })
    }

    /// The temporary path to which the video is written; `discard` removes it.
    pub fn hidden(&self) -> &Path {
        &self.hidden
    }

    /// Queues the next frame; blocks while the queue is full. The error may come from an earlier frame.
    pub fn push(&mut self, frame: Frame) -> Result<()> {
        self.send(Command::Frame(frame))
    }

    /// Completes the video as [`Writer::finish`] does; it keeps its temporary name until [`StagedVideo::place`].
    pub fn finish(mut self, metadata: Metadata) -> Result<StagedVideo> {
        self.send(Command::Finish(Box::new(metadata)))?;
        self.join()?.ok_or_else(|| Error::new(Kind::Bug, "The video was not finished"))
    }

    fn send(&mut self, command: Command) -> Result<()> {
        let sent = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        if sent {
            return Ok(());
        }
        // the thread closes the channel early only on an error
        self.join()?;
        Err(Error::new(Kind::Bug, "The video has already ended"))
    }

    fn join(&mut self) -> Result<Option<StagedVideo>> {
        self.commands = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(None),
            Some(Ok(result)) => result,
            Some(Err(panic)) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Err(Error::new(Kind::Bug, format!("The thread that writes the video panicked: {text}")))
            }
        }
    }
}

impl Drop for VideoSink {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::debug!("a cancelled video had already failed: {error:#}");
        }
    }
}

/// Writes until the video is complete; `None` if the handle was dropped, and then the writer removes its file.
fn write_all(mut writer: Writer, commands: &Receiver<Command>) -> Result<Option<StagedVideo>> {
    for command in commands {
        match command {
            Command::Frame(frame) => writer.push(&frame)?,
            Command::Finish(metadata) => return writer.finish(&metadata).map(Some),
        }
    }
    Ok(None)
}
