//! How fast a download is, and how long the rest takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::{Bytes, Secs};

/// The speed is that of the last seconds.
const WINDOW: Duration = Duration::from_secs(8);
/// Samples closer together than this are merged.
const STEP: Duration = Duration::from_millis(200);

/// Speed of a download over the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Speed {
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Notes that `received` bytes were received in all by now.
    pub fn note(&mut self, received: Bytes) {
        self.note_at(Instant::now(), received);
    }

    fn note_at(&mut self, now: Instant, received: Bytes) {
        if let [.., (before, _), (last, bytes)] = self.samples.make_contiguous()
            && now.duration_since(*before) < STEP
        {
            (*last, *bytes) = (now, received.0);
        } else {
            self.samples.push_back((now, received.0));
        }
        while self.samples.len() > 2
            && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes per second; `None` until there is something to measure.
    pub fn per_second(&self) -> Option<Bytes> {
        let ((from, first), (to, last)) = (self.samples.front()?, self.samples.back()?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0 && last > first).then(|| Bytes(((last - first) as f64 / seconds) as u64))
    }

    /// How long `left` more bytes take at this speed.
    pub fn remaining(&self, left: Bytes) -> Option<Secs> {
        Some(Secs(left.0 as f64 / self.per_second()?.0.max(1) as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        let start = Instant::now();
        assert_eq!(speed.per_second(), None);
        for second in 0..=20_u64 {
            // ten times as fast in the second half
            let received = if second <= 10 { second * 100 } else { 1000 + (second - 10) * 1000 };
            speed.note_at(start + Duration::from_secs(second), Bytes(received));
        }
        assert_eq!(speed.per_second(), Some(Bytes(1000)));
        assert_eq!(speed.remaining(Bytes(5000)), Some(Secs(5.0)));
    }
}
