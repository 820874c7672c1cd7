//! Cancellation: a token that is checked between steps and can interrupt a running step.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Error, Result};

type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    next_id: AtomicU64,
    hooks: Mutex<Vec<(u64, Hook)>>,
}

/// Shared cancellation flag with callbacks. Clones share one state.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels: sets the flag and runs every callback registered with [`Self::on_cancel`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for (_, hook) in self.hooks().iter() {
            hook();
        }
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Returns the cancelled error if the token is cancelled; for use between steps.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Sleeps for `time`; cancelling ends the sleep at once with the cancelled error.
    pub fn check_after(&self, time: Duration) -> Result<()> {
        let waiting = thread::current();
        let _guard = self.on_cancel(move || waiting.unpark());
        let until = Instant::now() + time;
        // park_timeout may wake up spuriously
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.check()?;
            thread::park_timeout(left);
        }
        self.check()
    }

    /// Registers `hook` until the returned guard is dropped; runs it at once if the token is already cancelled.
    pub fn on_cancel(&self, hook: impl Fn() + Send + 'static) -> OnCancel {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let mut hooks = self.hooks();
        if self.is_cancelled() {
            hook();
        }
        hooks.push((id, Box::new(hook)));
        drop(hooks);
        OnCancel { token: self.clone(), id }
    }

    fn hooks(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Hook)>> {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard of [`CancelToken::on_cancel`] that unregisters the hook when dropped.
#[must_use = "the hook is removed when this is dropped"]
pub struct OnCancel {
    token: CancelToken,
    id: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        self.token.hooks().retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn hooks_run_once_while_registered() {
        let (token, calls) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
        let count = |calls: &Arc<AtomicU32>| {
            let calls = Arc::clone(calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(token.on_cancel(count(&calls)));
        let _guard = token.on_cancel(count(&calls));
        assert!(token.check().is_ok());
        token.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let _late = token.on_cancel(count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 2, "a hook registered after the cancellation runs at once");
        assert!(token.check().is_err());
    }
}
