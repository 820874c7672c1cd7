//! Notices when another program changes the settings file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::task::Thread;
use crate::core::{Result, Waker};
use crate::store::Settings;

/// How often the file is looked at.
const POLL: Duration = Duration::from_secs(1);

/// Counts the changes that the window makes itself, so that none is taken for another program's.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct OwnChanges(Arc<(AtomicU64, AtomicU64)>);

impl OwnChanges {
    /// Notes that a change counts in the window and will be saved.
    pub(in crate::app) fn begin(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that a change was saved, or cannot be.
    pub(in crate::app) fn end(&self) {
        self.0.1.fetch_add(1, Ordering::SeqCst);
    }

    /// The number of changes so far; none while one is not saved yet.
    fn settled(&self) -> Option<u64> {
        let ended = self.0.1.load(Ordering::SeqCst);
        (self.0.0.load(Ordering::SeqCst) == ended).then_some(ended)
    }
}

/// The thread and what it read last.
pub(in crate::app) struct SettingsWatch {
    own: OwnChanges,
    found: Option<Receiver<Read>>,
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
        let own = OwnChanges::default();
        let known = own.clone();
        let thread = Thread::start("settings", move || watch(&data_dir, &known, &stopped, &sender, &waker))?;
        Ok(Self { own, found: Some(found), stop: Some(stop), thread: Some(thread) })
    }

    /// What the window notes its own changes in.
    pub(in crate::app) fn own(&self) -> &OwnChanges {
        &self.own
    }

    /// The settings as they are since the last change, whoever made it; an error if the file is invalid now. What was
    /// read before a change of the window is left out: the file is read again after that is saved.
    pub(in crate::app) fn changed(&self) -> Option<Result<Settings>> {
        let Read { after, settings } = self.found.as_ref()?.try_recv().ok()?;
        (self.own.settled() == Some(after)).then_some(settings)
    }
}

impl Drop for SettingsWatch {
    fn drop(&mut self) {
        (self.stop, self.found) = (None, None);
        self.thread = None;
    }
}

/// The settings, and how many changes the window had made and saved before they were read.
struct Read {
    after: u64,
    settings: Result<Settings>,
}

/// Polls the file until `stopped` is closed.
fn watch(data_dir: &Path, own: &OwnChanges, stopped: &Receiver<()>, found: &Sender<Read>, waker: &Waker) {
    let path = Settings::path_in(data_dir);
    let mut known = stamp(&path);
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POLL) {
        let Some(after) = own.settled() else { continue };
        let now = stamp(&path);
        if now == known {
            continue;
        }
        let settings = Settings::read(data_dir).map(|(settings, _)| settings);
        match found.try_send(Read { after, settings }) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than the time between two looks at the file.
    const LOOKED: Duration = Duration::from_millis(1500);

    #[test]
    fn a_change_of_the_window_is_not_taken_for_another_programs() {
        let dir = tempfile::tempdir().unwrap();
        let write = |retries: &str| {
            let mut settings = Settings::default();
            settings.set("generation.retries", retries).unwrap();
            settings.save(dir.path()).unwrap();
        };
        write("1");
        let watch = SettingsWatch::start(dir.path(), Arc::new(|| {})).unwrap();
        // the window has changed them twice, and only the first change is on the disk
        watch.own().begin();
        watch.own().begin();
        write("3");
        watch.own().end();
        std::thread::park_timeout(LOOKED);
        assert!(watch.changed().is_none(), "the file is older than the window");
        write("4");
        watch.own().end();
        std::thread::park_timeout(LOOKED);
        let now = loop {
            if let Some(read) = watch.changed() {
                break read.unwrap();
            }
            std::thread::park_timeout(POLL);
        };
        assert_eq!(now.generation.retries, 4);
        // read before the window changed them once more
        write("5");
        std::thread::park_timeout(LOOKED);
        watch.own().begin();
        assert!(watch.changed().is_none());
    }
}
