//! Notices when another program changes the settings file.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::task::Thread;
use crate::core::{Result, Waker};
use crate::store::Settings;

/// How often the file is looked at.
const POLL: Duration = Duration::from_secs(1);

/// The thread and what it read last.
pub(in crate::app) struct SettingsWatch {
    found: Option<Receiver<Result<Settings>>>,
    stop: Option<Sender<()>>,
    // the last field, so that the channels are dropped before the thread is joined
    thread: Option<Thread>,
}

impl SettingsWatch {
    /// Watches the settings of a data folder. `waker` is called after each change.
    pub(in crate::app) fn start(data_dir: &Path, waker: Waker) -> Result<Self> {
        let (stop, stopped) = bounded::<()>(0);
        let (sender, found) = bounded(1);
        let data_dir = data_dir.to_path_buf();
        let thread = Thread::start("settings", move || watch(&data_dir, &stopped, &sender, &waker))?;
        Ok(Self { found: Some(found), stop: Some(stop), thread: Some(thread) })
    }

    /// The settings as they are since the last change, whoever made it; an error if the file is invalid now.
    pub(in crate::app) fn changed(&self) -> Option<Result<Settings>> {
        self.found.as_ref()?.try_recv().ok()
    }
}

impl Drop for SettingsWatch {
    fn drop(&mut self) {
        (self.stop, self.found) = (None, None);
        self.thread = None;
    }
}

/// Polls the file until `stopped` is closed.
fn watch(data_dir: &Path, stopped: &Receiver<()>, found: &Sender<Result<Settings>>, waker: &Waker) {
    let path = Settings::path_in(data_dir);
    let mut known = stamp(&path);
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POLL) {
        let now = stamp(&path);
        if now == known {
            continue;
        }
        let read = Settings::read(data_dir).map(|(settings, _)| settings);
        match found.try_send(read) {
            Ok(()) => {
                known = now;
                waker();
            }
            // the window has not taken the last one; the file is read again at the next look
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

/// What changes when the file does; none if it is not there.
fn stamp(path: &PathBuf) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
