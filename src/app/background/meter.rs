//! Reads what the process and the machine use once a second, so that the window does not wait for the system.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::task::Thread;
use crate::core::{Bytes, Result};
use crate::monitor;

const INTERVAL: Duration = Duration::from_secs(1);

/// What is used now; none where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Reading {
    /// Memory of this process.
    pub(in crate::app) process: Option<Bytes>,
    /// Memory that is free on the machine.
    pub(in crate::app) free: Option<Bytes>,
}

impl Reading {
    /// For instance "Process 1.2 GiB · free 12 GiB".
    pub(in crate::app) fn sentence(&self) -> String {
        let process = self.process.map(|bytes| format!("process {bytes}"));
        let free = self.free.map(|bytes| format!("free {bytes}"));
        let parts: Vec<_> = process.into_iter().chain(free).collect();
        if parts.is_empty() { "Memory unknown".to_owned() } else { format!("Memory: {}", parts.join(", ")) }
    }
}

/// The thread that reads.
pub(in crate::app) struct Meter {
    last: Arc<Mutex<Reading>>,
    _thread: Thread,
}

impl Meter {
    pub(in crate::app) fn start() -> Result<Self> {
        let last = Arc::<Mutex<Reading>>::default();
        let place = Arc::clone(&last);
        let thread = Thread::start("meter", move |closing| {
            loop {
                let reading = Reading { process: monitor::resident(), free: monitor::free() };
                *place.lock().unwrap_or_else(PoisonError::into_inner) = reading;
                if closing.wait(INTERVAL) {
                    return;
                }
            }
        })?;
        Ok(Self { last, _thread: thread })
    }

    /// What was read last.
    pub(in crate::app) fn reading(&self) -> Reading {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
