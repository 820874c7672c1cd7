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
        let Some(pause) = self.pause(asked) else { return Err(error) };
        tracing::info!("Fetching: {error:#}; trying again in {:.1} s", pause.as_secs_f64());
        cancel.check_after(pause)
    }

    /// Counts a failure and returns the pause before the next try: what the server asks for, else twice the last one.
    /// `None` if there is no use in another try.
    fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= MAX_TRIES || asked.is_some_and(|asked| asked > LONGEST) {
            return None;
        }
        Some(asked.unwrap_or_else(|| self.first_pause * 2_u32.pow(self.failures - 1)))
    }
}

/// The error of a request that was given up, with what stays.
pub(super) fn with_progress_kept(error: Error) -> Error {
    let remedy = error.remedy_text().unwrap_or_default().to_owned();
    let kept = "What was received is kept; fetch it again to continue";
    error.remedy(if remedy.is_empty() { kept.to_owned() } else { format!("{remedy}. {kept}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(5);

    #[test]
    fn pauses_double_until_something_is_received_and_end_after_six_failures() {
        let mut retries = Retries::new(FIRST);
        let doubled = [1, 2, 4, 8, 16].map(|factor| Some(FIRST * factor));
        for _ in 0..2 {
            assert_eq!([(); 5].map(|()| retries.pause(None)), doubled);
            retries.progressed();
        }
        assert_eq!([(); 6].map(|()| retries.pause(None)).last(), Some(&None));
    }

    #[test]
    fn the_pause_is_what_the_server_asks_for_up_to_five_minutes() {
        let mut retries = Retries::new(FIRST);
        for seconds in [1, 300] {
            let asked = Duration::from_secs(seconds);
            assert_eq!(retries.pause(Some(asked)), Some(asked));
        }
        assert_eq!(retries.pause(None), Some(FIRST * 4), "its failures count, too");
        assert_eq!(retries.pause(Some(Duration::from_secs(301))), None);
    }
}
