//! Progress of an execution provider that compiles a component for its device.

use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::core::{Error, Kind, Result, Secs};

/// How often a build is reported.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Does `work` on a thread of its own, and calls `report` with the time so far, every so often.
pub(super) fn reported<T: Send>(
    every: Duration,
    work: impl FnOnce() -> Result<T> + Send,
    mut report: impl FnMut(Secs),
) -> Result<T> {
    let began = Instant::now();
    thread::scope(|scope| {
        let (sender, done) = bounded(1);
        let body = move || drop(sender.send(work()));
        let thread = thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, body);
        let thread = thread.map_err(|error| {
            Error::new(Kind::OutOfMemory, "Cannot start the thread that builds an engine").because(error)
        })?;
        loop {
            match done.recv_timeout(every) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => report(Secs::from(began.elapsed())),
                Err(RecvTimeoutError::Disconnected) => match thread.join() {
                    Err(panic) => panic::resume_unwind(panic),
                    Ok(()) => return Err(Error::new(Kind::Bug, "An engine was built and is gone")),
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_reported_until_it_ends() {
        let (go_on, may_end) = bounded::<()>(1);
        let mut reports = Vec::new();
        let work = move || {
            may_end.recv().ok();
            Ok(7)
        };
        let result = reported(Duration::from_millis(1), work, |so_far| {
            reports.push(so_far);
            if reports.len() == 3 {
                go_on.send(()).unwrap();
            }
        });
        assert_eq!(result.unwrap(), 7);
        assert!(reports.len() >= 3 && reports.is_sorted_by(|one, next| one.0 <= next.0), "{reports:?}");
    }

    #[test]
    fn a_failed_build_returns_its_error() {
        let failed = reported::<()>(EVERY, || Err(Error::new(Kind::Device, "no engine")), |_| {});
        assert_eq!(failed.unwrap_err().kind, Kind::Device);
    }
}
