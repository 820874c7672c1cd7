//! What a fetch reports: files, bytes, speed and the time that is left.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::core::{Bytes, Secs};
use crate::transfers::{Speed, TransferEvent};

/// Shortest time between two reports of bytes.
const EVERY: Duration = Duration::from_millis(200);

/// Events of a fetch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "fetch", rename_all = "snake_case")]
pub enum ModelFetchEvent {
    /// A file of the plan is next.
    File {
        /// Its path in the model's folder.
        path: String,
        /// Its number, from 1.
        number: usize,
        /// How many files there are.
        of: usize,
    },
    /// Another program fetches the same file; this one waits.
    Waiting {
        /// Its path in the model's folder.
        path: String,
    },
    /// A file that was on this machine was checked and linked into the model's folder.
    Adopted {
        /// Where it was.
        from: PathBuf,
    },
    /// A file that was on this machine cannot be used and is fetched.
    NotAdopted {
        /// Where it is.
        at: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// How far the fetch is.
    Progress(FetchProgress),
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FetchProgress {
    /// Bytes that are here, received or found.
    pub done: Bytes,
    /// Bytes of all files.
    pub of: Bytes,
    /// Bytes received per second, over the last seconds.
    pub speed: Option<Bytes>,
    /// How long the rest takes at this speed.
    pub remaining: Option<Secs>,
}

impl fmt::Display for FetchProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.done, self.of)?;
        if let Some(speed) = self.speed {
            write!(f, ", {speed}/s")?;
        }
        if let Some(remaining) = self.remaining {
            write!(f, ", about {remaining} left")?;
        }
        Ok(())
    }
}

/// Adds up the events of all connections.
pub(super) struct Meter<'a> {
    total: Bytes,
    sum: Mutex<Sum>,
    report: &'a (dyn Fn(ModelFetchEvent) + Sync),
}

#[derive(Default)]
struct Sum {
    done: u64,
    received: u64,
    speed: Speed,
    reported: Option<Instant>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(total: Bytes, report: &'a (dyn Fn(ModelFetchEvent) + Sync)) -> Self {
        Self { total, sum: Mutex::default(), report }
    }

    pub(super) fn send(&self, event: ModelFetchEvent) {
        (self.report)(event);
    }

    /// Counts bytes that were here already.
    pub(super) fn found(&self, bytes: Bytes) {
        self.change(|sum| sum.done += bytes.0);
    }

    /// Counts what a transfer reports.
    pub(super) fn transfer(&self, event: TransferEvent, path: &str) {
        match event {
            TransferEvent::Waiting => self.send(ModelFetchEvent::Waiting { path: path.to_owned() }),
            TransferEvent::Resumed(bytes) => self.found(bytes),
            TransferEvent::Received(bytes) => self.change(|sum| {
                sum.done += bytes.0;
                sum.received += bytes.0;
            }),
            TransferEvent::Lost(bytes) => self.change(|sum| sum.done = sum.done.saturating_sub(bytes.0)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sum)) {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sum);
        let received = Bytes(sum.received);
        sum.speed.note(received);
        let now = Instant::now();
        let is_due = sum.reported.is_none_or(|last| now.duration_since(last) >= EVERY);
        if is_due || sum.done >= self.total.0 {
            sum.reported = Some(now);
            let progress = FetchProgress {
                done: Bytes(sum.done.min(self.total.0)),
                of: self.total,
                speed: sum.speed.per_second(),
                remaining: sum.speed.remaining(Bytes(self.total.0.saturating_sub(sum.done))),
            };
            drop(sum);
            self.send(ModelFetchEvent::Progress(progress));
        }
    }
}
