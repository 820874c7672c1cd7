//! Cancellation while ONNX Runtime makes a session.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use ort::session::Session as OrtSession;
use ort::session::builder::SessionBuilder;

use super::ort_error;
use crate::core::{Bytes, CancelToken, Error, Kind, Result};

/// How long a cancelled session may take to end by itself before it is left behind.
const GRACE: Duration = Duration::from_millis(400);
/// Sessions over fewer bytes of weights are made on the caller's thread: they take far less than a second, and a thread of
/// their own costs the toy's first video 8 % (47 ms) and 12 MiB.
const SMALL: Bytes = Bytes(512 << 20);
/// How often a cancellation is noticed.
const POLL: Duration = Duration::from_millis(20);

/// Sessions that were cancelled while they were made, and are still being made: ONNX Runtime checks for a cancellation
/// only between two weights that it reads or packs, and converting a large one takes seconds.
#[derive(Default)]
pub(super) struct Abandoned(Mutex<Vec<JoinHandle<()>>>);

impl Abandoned {
    /// Waits until all of them have ended and their memory is free; a cancellation ends the wait.
    pub(super) fn wait(&self, cancel: &CancelToken) -> Result<()> {
        while self.threads().iter().any(|thread| !thread.is_finished()) {
            cancel.check_after(POLL)?;
        }
        self.threads().retain(|thread| !thread.is_finished());
        Ok(())
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on a thread of its own and returns its result, or the cancelled error soon after a cancellation,
    /// while `work` ends in the background.
    fn run<T: Send + 'static>(
        &self,
        cancel: &CancelToken,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        cancel.check()?;
        self.wait(cancel)?;
        let (sender, made) = bounded(1);
        let body = move || {
            // a result that nobody waits for is dropped here
            drop(sender.send(work()));
        };
        let thread = Builder::new().name("session".to_owned()).spawn(body).map_err(|error| {
            Error::new(Kind::OutOfMemory, "Cannot start the thread that makes a session").because(error)
        })?;
        let mut cancelled: Option<Instant> = None;
        loop {
            match made.recv_timeout(POLL) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Kind::Bug, "The thread that makes a session panicked"));
                }
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    if cancelled.get_or_insert_with(Instant::now).elapsed() > GRACE {
                        self.threads().push(thread);
                        return Err(Error::cancelled());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Makes a session of the component `name` over `weights` from `builder` with `commit`; a cancellation interrupts it.
    pub(super) fn commit(
        &self,
        name: &'static str,
        weights: Bytes,
        cancel: &CancelToken,
        builder: impl FnOnce() -> ort::Result<SessionBuilder> + Send + 'static,
        commit: impl FnOnce(&mut SessionBuilder) -> ort::Result<OrtSession> + Send + 'static,
    ) -> Result<OrtSession> {
        let token = cancel.clone();
        let work = move || {
            let mut builder = builder().map_err(|error| ort_error::load_error(name, &error))?;
            let stop = builder.canceler();
            let _guard = token.on_cancel(move || {
                if let Err(error) = stop.cancel() {
                    tracing::warn!("Cannot interrupt the loading of a component: {error}");
                }
            });
            let made = commit(&mut builder);
            // whatever its result, the job is cancelled
            token.check()?;
            made.map_err(|error| ort_error::load_error(name, &error))
        };
        if weights < SMALL {
            cancel.check()?;
            self.wait(cancel)?;
            return work();
        }
        self.run(cancel, work)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn work_that_does_not_notice_the_cancellation_is_left_behind_and_waited_for_by_the_next() {
        let (abandoned, cancel) = (Abandoned::default(), CancelToken::new());
        let (finish, may_finish) = bounded::<()>(1);
        let finished = Arc::new(AtomicBool::new(false));
        let (stop, done) = (cancel.clone(), Arc::clone(&finished));
        let result = abandoned.run(&cancel, move || {
            stop.cancel();
            may_finish.recv().ok();
            done.store(true, Ordering::SeqCst);
            Ok(())
        });
        assert_eq!(result.unwrap_err().kind, Kind::Cancelled);
        assert!(!finished.load(Ordering::SeqCst), "the call did not wait for it");
        finish.send(()).unwrap();
        let before = Arc::clone(&finished);
        let next = abandoned.run(&CancelToken::new(), move || Ok(before.load(Ordering::SeqCst)));
        assert!(next.unwrap(), "the next session waits for the memory of the last");
    }
}
