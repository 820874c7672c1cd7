//! When a failed request is tried again, and after how long.

use std::time::Duration;

use super::status::Trouble;
use crate::core::{CancelToken, Error, Result};

/// Requests in a row without a byte received before a download gives up.
const MAX_TRIES: u32 = 6;
/// Longest pause between two tries that a server may ask for.
const LONGEST: Duration = Duration::from_mins(5);

/// Counts the failures in a row of one connection.
#[derive(Debug)]
pub(super) struct Retries {
    /// Pause after the first failure; it doubles with each.
    first_pause: Duration,
    failures: u32,
}

impl Retries {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self { first_pause, failures: 0 }
    }

    /// Something was received: the next failure is the first again.
    pub(super) fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next try, or fails with what went wrong if there is no use in it.
    pub(super) fn wait(&mut self, trouble: Trouble, cancel: &CancelToken) -> Result<()> {
        cancel.check()?;
        let (error, asked) = match trouble {
            Trouble::Passing { error, retry_after } => {
                (error, retry_after.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Trouble::Changed(error) | Trouble::Lasting(error) => return Err(error),
        };
        self.failures += 1;
        if self.failures >= MAX_TRIES || asked.is_some_and(|asked| asked > LONGEST) {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| self.first_pause * 2_u32.pow(self.failures - 1));
        tracing::info!("Fetching: {error:#}; trying again in {:.1} s", pause.as_secs_f64());
        cancel.check_after(pause)
    }
}

/// The error of a request that was given up, with what stays.
pub(super) fn with_progress_kept(error: Error) -> Error {
    let remedy = error.remedy_text().unwrap_or_default().to_owned();
    let kept = "What was received is kept; fetch it again to continue";
    error.remedy(if remedy.is_empty() { kept.to_owned() } else { format!("{remedy}. {kept}") })
}
