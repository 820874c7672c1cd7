//! A limit on the bytes per second of all connections together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::core::{Bytes, CancelToken, Result};

/// Shares a number of bytes per second between connections.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Bytes>,
    /// When the bytes that were taken so far are paid for.
    paid_until: Mutex<Option<Instant>>,
}

impl Limiter {
    /// A limiter to `rate` bytes per second, or to nothing.
    pub(super) fn new(rate: Option<Bytes>) -> Self {
        Self { rate: rate.filter(|rate| rate.0 > 0), paid_until: Mutex::new(None) }
    }

    /// Bytes that a connection should read at once, so that a low limit does not come in bursts.
    pub(super) fn piece(&self, most: usize) -> usize {
        self.rate.map_or(most, |rate| most.min((rate.0 as usize / 8).max(1024)))
    }

    /// Waits until `bytes` more may be received.
    pub(super) fn take(&self, bytes: usize, cancel: &CancelToken) -> Result<()> {
        let Some(rate) = self.rate else { return Ok(()) };
        let cost = Duration::from_secs_f64(bytes as f64 / rate.0 as f64);
        let until = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let begin = paid_until.filter(|paid| *paid > now).unwrap_or(now);
            let until = begin + cost;
            *paid_until = Some(until);
            until
        };
        match until.checked_duration_since(Instant::now()) {
            Some(wait) => cancel.check_after(wait),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_their_turn_and_a_cancel_ends_the_wait() {
        let limiter = Limiter::new(Some(Bytes(1 << 20)));
        let began = Instant::now();
        for _ in 0..4 {
            limiter.take(1 << 15, &CancelToken::new()).unwrap();
        }
        assert!(began.elapsed() >= Duration::from_millis(120), "{:?}", began.elapsed());
        let cancelled = CancelToken::new();
        cancelled.cancel();
        assert!(limiter.take(1 << 30, &cancelled).is_err());
        assert_eq!(Limiter::new(None).piece(7), 7);
    }
}
